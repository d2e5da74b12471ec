// SPDX-License-Identifier: GPL-2.0-or-later
//
// speedscope_view.mjs CHROMIUM FILE SCRATCH NAME: opens FILE in speedscope itself, the way its own command does: a script that
// hands over the file, named in the page's fragment. Fails unless speedscope draws it and finds a frame NAME.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { browse } from "./browser.mjs";

const [chromium, file, scratch, name] = process.argv.slice(2);
const index = createRequire(import.meta.url).resolve("speedscope/dist/release/index.html");
const script = join(scratch, "profile.js");
const content = readFileSync(file).toString("base64");
writeFileSync(script, `speedscope.loadFileFromBase64("flame.speedscope.json", ${JSON.stringify(content)})`);

await browse(chromium, async (page) => {
    await page.goto(`file://${index}#localProfilePath=${script}&view=sandwich`);
    await page.getByText(name).first().waitFor({ timeout: 60000 });
    await page.screenshot({ path: join(scratch, "speedscope.png") });
    assert.match(await page.title(), /flame|blocked/);
});
