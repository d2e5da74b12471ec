// SPDX-License-Identifier: GPL-2.0-or-later
//
// speedscope.mjs FILE NAME: checks FILE against the schema that the package speedscope carries; prints what is wrong with it,
// and the microseconds of all samples with a frame whose name begins with NAME.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import Ajv from "ajv";

const require = createRequire(import.meta.url);
const [file, name] = process.argv.slice(2);
const schema = JSON.parse(readFileSync(require.resolve("speedscope/dist/release/file-format-schema.json"), "utf8"));
const document = JSON.parse(readFileSync(file, "utf8"));
const validate = new Ajv({ strict: false }).compile(schema);
const errors = validate(document) ? [] : validate.errors;
let microseconds = 0;
for (const profile of document.profiles) {
    const sum = profile.weights.reduce((a, b) => a + b, 0);
    if (Math.abs(sum - (profile.endValue - profile.startValue)) > 1) errors.push(`${profile.name}: weights add up to ${sum}`);
    profile.samples.forEach((sample, i) => {
        if (sample.some((frame) => document.shared.frames[frame].name.startsWith(name))) microseconds += profile.weights[i];
    });
}
console.log(JSON.stringify({ errors, microseconds }));
