// SPDX-License-Identifier: GPL-2.0-or-later
//
// page.mjs CHROMIUM PAGE SCREENSHOTS: uses the page of a recording of flame_waits.py as a person would, in headless Chromium.
import assert from "node:assert/strict";
import { join } from "node:path";
import { browse } from "./browser.mjs";

const [chromium, file, screenshots] = process.argv.slice(2);
const near = (value, expected, message) => assert.ok(Math.abs(value - expected) <= 1e-6 * expected + 1, `${message}: ${value}, not ${expected}`);

await browse(chromium, async (page) => {
    await page.goto(`file://${file}`);
    const frame = (label) => page.locator(`.frame[data-label^="${label}"]`).first();
    const total = () => frame("all").evaluate((element) => element.node.ns);
    const status = () => page.locator("#status").textContent();
    const shot = (name) => page.screenshot({ path: join(screenshots, `${name}.png`) });
    const truth = await page.evaluate(() => {
        const { stacks, threads } = JSON.parse(document.getElementById("data").textContent);
        const sum = (of) => stacks.ns.reduce((all, ns, i) => all + (of(i) ? ns : 0), 0);
        const blocked = (i) => stacks.kinds[i] & 1 && !stacks.idle[i];
        return {
            blocked: sum(blocked),
            idle: sum((i) => stacks.idle[i]),
            lock: sum((i) => (stacks.kinds[i] >> 2) & 1),
            owner: sum((i) => (stacks.kinds[i] >> 4) & 1),
            threads: threads.map((_, thread) => sum((i) => blocked(i) && stacks.thread[i] === thread)),
        };
    });
    await shot("whole");

    // Totals add up: all, per thread, with the idle loops, of another kind.
    near(await total(), truth.blocked, "the root");
    assert.match(await status(), /of waiting in \d+ stacks/);
    for (const [i, ns] of truth.threads.entries()) {
        if (!ns) continue;
        await page.selectOption("#thread", String(i));
        near(await total(), ns, `thread ${i}`);
    }
    await page.selectOption("#thread", "-1");
    await page.check("#idle");
    near(await total(), truth.blocked + truth.idle, "with idle loops");
    assert.ok(await frame("[idle]").isVisible());
    await page.uncheck("#idle");
    await page.getByRole("button", { name: "lock", exact: true }).click();
    near(await total(), truth.lock, "locks");
    assert.equal(await frame("clock_nanosleep").count(), 0);
    await page.selectOption("#side", { label: "owner" });
    near(await total(), truth.owner, "locks by owner");
    assert.ok((await frame("[had threading.Lock").count()) > 0);
    await shot("owner");
    await page.selectOption("#side", { label: "waiter" });
    near(await total(), truth.lock, "locks by waiter");
    await page.getByRole("button", { name: "blocked", exact: true }).click();
    assert.ok(await page.locator("#side").isHidden());
    assert.ok(await page.getByRole("button", { name: "offcpu", exact: true }).isDisabled());

    // The loop's thread is marked.
    assert.match(await page.locator(".frame.loop").textContent(), /^↻ .*asyncio loop/);

    // Zoom: the frame takes the whole width, its callers stand above; Escape ends it.
    const stall = frame("stall (flame_waits.py");
    const before = (await stall.boundingBox()).width;
    await stall.click();
    assert.ok((await stall.boundingBox()).width > before);
    assert.ok((await page.locator(".frame.outer").count()) > 3);
    assert.match(await page.locator("#details").textContent(), /flame_waits\.py:\d+/);
    await shot("zoomed");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator(".frame.outer").count(), 0);
    await stall.hover();
    assert.match(await page.locator("#tip").textContent(), /of all shown/);

    // Search marks and counts.
    await page.keyboard.press("/");
    await page.keyboard.type("worker");
    assert.ok((await page.locator(".frame.found").count()) >= 2);
    assert.match(await status(), /found \d+: [\d.]+ ms/);
    await shot("search");
    await page.fill("#search", "");
    assert.equal(await page.locator(".frame.found").count(), 0);

    // A finding leads to its frames.
    const finding = page.locator(".finding", { hasText: "blocks the asyncio loop" }).first();
    await finding.click();
    assert.ok(!(await stall.getAttribute("class")).includes("dim"));
    assert.ok((await frame("worker").getAttribute("class")).includes("dim"));
    assert.match(await status(), /finding: [\d.]+ ms/);
    await shot("finding");
    await finding.click();
    assert.equal(await page.locator(".frame.dim").count(), 0);

    // Kinds of frames can be hidden; time is not lost.
    await page.uncheck("#toggle-native");
    assert.equal(await page.locator(".frame.native").count(), 0);
    near(await total(), truth.blocked, "without native frames");
    assert.ok(await stall.isVisible());
    await page.check("#toggle-native");

    // A range of the time line: the loop stalls in its beginning only.
    const line = await page.locator("#timeline").boundingBox();
    const drag = async (from, to) => {
        await page.mouse.move(line.x + line.width * from, line.y + 20);
        await page.mouse.down();
        await page.mouse.move(line.x + line.width * to, line.y + 25, { steps: 4 });
        await page.mouse.up();
    };
    await drag(0.001, 0.4975);
    const first = await total();
    assert.match(await status(), /% of/);
    await shot("range");
    await drag(0.5025, 0.999);
    near(first + (await total()), truth.blocked, "both halves");
    await drag(0.9, 0.999);
    assert.equal(await stall.count(), 0);
    await page.click("#time-clear");
    near(await total(), truth.blocked, "the whole recording again");
});
