// SPDX-License-Identifier: GPL-2.0-or-later
//
// node build.mjs OUT: bundles main.js and page.css into template.html, one file that needs nothing else.
import { readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const bundled = async (entry) => {
    const result = await build({
        entryPoints: [entry],
        bundle: true,
        minify: true,
        write: false,
        format: "iife",
        target: "es2020",
        legalComments: "none",
    });
    return result.outputFiles[0].text;
};

const [script, style] = [await bundled("main.js"), await bundled("page.css")];
if (script.includes("</script") || style.includes("</style")) throw new Error("the bundle would end its own element");
const page = readFileSync("template.html", "utf8")
    .replace("/*STYLE*/", () => style.trim())
    .replace("/*SCRIPT*/", () => script.trim());
writeFileSync(process.argv[2], page);
