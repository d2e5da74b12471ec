// SPDX-License-Identifier: GPL-2.0-or-later
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

/** Calls use(page); the page may neither complain nor ask for anything that is no local file. */
export async function browse(executablePath, use) {
    const browser = await chromium.launch({ executablePath, headless: true, args: OPTIONS });
    try {
        const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
        const complaints = [];
        page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
        page.on("pageerror", (error) => complaints.push(String(error)));
        page.on("request", (request) => /^(file|data|blob):/.test(request.url()) || complaints.push(`request for ${request.url()}`));
        await use(page);
        assert.deepEqual(complaints, []);
    } finally {
        await browser.close();
    }
}
