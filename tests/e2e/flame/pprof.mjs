// SPDX-License-Identifier: GPL-2.0-or-later
//
// pprof.mjs FILE FUNCTION: decodes FILE with the package pprof-format; prints its sample types, endpoints and build ids, and
// the values of all samples with the function.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Profile } from "pprof-format";

const [file, name] = process.argv.slice(2);
const profile = Profile.decode(gunzipSync(readFileSync(file)));
const text = (number) => profile.stringTable.strings[Number(number)];
const functions = new Map(profile.function.map((each) => [Number(each.id), each]));
const locations = new Map(profile.location.map((each) => [Number(each.id), functions.get(Number(each.line[0].functionId))]));
const result = { count: 0, nanoseconds: 0, file: "", endpoints: [] };
result.types = profile.sampleType.map((type) => `${text(type.type)}/${text(type.unit)}`);
result.buildIds = profile.mapping.map((mapping) => text(mapping.buildId)).filter(Boolean);
for (const sample of profile.sample) {
    const found = sample.locationId.map((id) => locations.get(Number(id))).find((each) => text(each.name) === name);
    if (found) {
        result.count += Number(sample.value[0]);
        result.nanoseconds += Number(sample.value[1]);
        result.file = text(found.filename);
    }
    for (const label of sample.label) if (text(label.key) === "endpoint") result.endpoints.push(text(label.str));
}
console.log(JSON.stringify(result));
