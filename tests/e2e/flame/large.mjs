// SPDX-License-Identifier: GPL-2.0-or-later
//
// large.mjs CHROMIUM PAGE OUT: puts 100,000 distinct stacks into a copy of the page and uses it; prints how long each step took.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { browse } from "./browser.mjs";

const STACKS = 100000, DEPTH = 25, FRAMES = 5000, THREADS = 40, SLICES = 4;

/** The same stacks in every run: a linear congruential generator (Numerical Recipes). */
function random(seed) {
    let state = seed;
    return (below) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return (state >>> 8) % below; // the low bits repeat soon
    };
}

function profile(data) {
    const next = random(1);
    const frames = { label: [], kind: [], module: [], file: [], line: [] };
    for (let i = 0; i < FRAMES; i++) {
        for (const [key, value] of Object.entries({ label: `function_${i}`, kind: i % 2, module: "program", file: "/src/x.c", line: i }))
            frames[key].push(value);
    }
    const threads = Array.from({ length: THREADS }, (_, i) => ({ ...data.threads[0], tid: i, loop: "", title: `thread ${i}` }));
    const nodes = { parent: [0], item: [0] }, known = new Map();
    const put = (parent, item) => {
        const key = parent * 65536 + item;
        if (!known.has(key)) {
            known.set(key, nodes.parent.length);
            nodes.parent.push(parent);
            nodes.item.push(item);
        }
        return known.get(key);
    };
    const stacks = { node: [], thread: [], kinds: [], idle: [], ns: [], count: [], slices: [] };
    for (let i = 0; i < STACKS; i++) {
        const thread = next(THREADS);
        let node = put(0, thread);
        for (let depth = 0; depth < DEPTH; depth++) node = put(node, depth < 15 ? depth * 10 + next(1 + (depth >> 2)) : next(FRAMES));
        const slices = Array.from({ length: SLICES }, (_, j) => [j * 50 + next(50), 1000 + next(100000)]).flat();
        const ns = slices.reduce((sum, value, j) => sum + (j % 2 ? value : 0), 0);
        for (const [key, value] of Object.entries({ node, thread, kinds: 1, idle: 0, ns, count: 1, slices })) stacks[key].push(value);
    }
    return { ...data, frames, threads, nodes, stacks, findings: [] };
}

const [chromium, file, out] = process.argv.slice(2);
const page = readFileSync(file, "utf8");
const [, head, json, tail] = page.match(/^([^]*id="data">)([^<]*)(<\/script>[^]*)$/);
writeFileSync(out, head + JSON.stringify(profile(JSON.parse(json))) + tail);

await browse(chromium, async (tab) => {
    const times = {};
    const timed = async (name, step) => {
        const begin = Date.now();
        await step();
        times[name] = Date.now() - begin;
    };
    await timed("load", async () => {
        await tab.goto(`file://${out}`);
        await tab.waitForSelector(".frame.thread");
    });
    assert.match(await tab.locator("#status").textContent(), /100,000 stacks/);
    await timed("zoom", () => tab.locator(".frame.thread").first().click());
    await timed("search", () => tab.fill("#search", "function_3"));
    await timed("thread", () => tab.selectOption("#thread", "3"));
    await timed("toggle", () => tab.uncheck("#toggle-native"));
    const boxes = await tab.locator(".frame").count();
    console.log(JSON.stringify({ times, boxes }));
});
