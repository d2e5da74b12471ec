// SPDX-License-Identifier: GPL-2.0-or-later
//
// The profile in the page (written by src/report/flame_html.c) and what is asked of it. Nothing here touches the document.

export const FRAME_KINDS = ["native", "python", "kernel", "note", "endpoint"];

/** Below this share of what is shown a frame cannot be seen even after some zooming: it is left out and counted. */
const SHARE_MIN = 1e-5;

export function load(text) {
    const data = JSON.parse(text);
    const parents = Uint32Array.from(data.nodes.parent);
    const depths = new Uint32Array(parents.length);
    for (let i = 1; i < parents.length; i++) depths[i] = depths[parents[i]] + 1;
    return { ...data, parents, depths, labels: labelNumbers(data.frames) };
}

/** Frames that look the same get the same number. */
function labelNumbers(frames) {
    const numbers = new Map();
    return Uint32Array.from(frames.label, (label, i) => {
        const key = `${frames.kind[i]} ${label}`;
        if (!numbers.has(key)) numbers.set(key, numbers.size);
        return numbers.get(key);
    });
}

/** Whether a stack belongs to the view, whatever its time. */
function belongs(data, view, i) {
    const { stacks, threads } = data;
    if (!((stacks.kinds[i] >> view.kind) & 1) || (stacks.idle[i] && !view.idle)) return false;
    if (view.thread >= 0) return stacks.thread[i] === view.thread;
    return view.pid < 0 || threads[stacks.thread[i]].pid === view.pid;
}

/** Nanoseconds of a stack in buckets [from, to). */
function timeIn(slices, from, to) {
    let sum = 0;
    for (let i = 0; i < slices.length; i += 2) if (slices[i] >= from && slices[i] < to) sum += slices[i + 1];
    return sum;
}

/** Nanoseconds of each stack in the view; 0: not in it. */
export function stackTimes(data, view) {
    const { stacks } = data;
    return Float64Array.from(stacks.ns, (ns, i) => {
        if (!belongs(data, view, i)) return 0;
        return view.range ? timeIn(stacks.slices[i], view.range[0], view.range[1]) : ns;
    });
}

/** Nanoseconds in each bucket of the time line. */
export function bucketTimes(data, view) {
    const sums = new Float64Array(data.buckets);
    data.stacks.slices.forEach((slices, i) => {
        if (!belongs(data, view, i)) return;
        for (let j = 0; j < slices.length; j += 2) sums[slices[j]] += slices[j + 1];
    });
    return sums;
}

/** Times of stacks, added up at their nodes: a node's own and all below it. */
function nodeTimes(data, times) {
    const sums = new Float64Array(data.parents.length);
    times.forEach((ns, i) => (sums[data.stacks.node[i]] += ns));
    for (let i = sums.length - 1; i > 0; i--) sums[data.parents[i]] += sums[i];
    return sums;
}

function nodeNew(parent, kind, label) {
    return { parent, kind, label, ns: 0, marked: 0, depth: parent ? parent.depth + 1 : 0, children: new Map() };
}

function threadNode(data, parent, item) {
    const thread = data.threads[item];
    const node = nodeNew(parent, thread.loop ? "loop" : "thread", thread.title);
    return Object.assign(node, { thread: item });
}

function frameNode(data, parent, item) {
    const node = nodeNew(parent, FRAME_KINDS[data.frames.kind[item]], data.frames.label[item]);
    return Object.assign(node, { frame: item });
}

/**
 * The tree that the graph shows: frames that look the same are one, kinds that are switched off are left out, their
 * callees go to their caller. marked: the part of a node's time in stacks of `linked`, a set of stack numbers.
 */
export function tree(data, view, times, linked) {
    const sums = nodeTimes(data, times);
    const marks = linked ? nodeTimes(data, times.map((ns, i) => (linked.has(i) ? ns : 0))) : null;
    const nodes = new Array(sums.length);
    const root = (nodes[0] = nodeNew(null, "all", "all"));
    const least = sums[0] * SHARE_MIN;
    let left = 0;
    root.ns = sums[0];
    root.marked = marks ? marks[0] : 0;
    for (let i = 1; i < sums.length; i++) {
        const parent = nodes[data.parents[i]];
        if (sums[i] <= 0 || !parent) continue;
        if (sums[i] < least) {
            left++;
            continue;
        }
        nodes[i] = child(data, view, parent, i);
        if (nodes[i] === parent) continue;
        nodes[i].ns += sums[i];
        nodes[i].marked += marks ? marks[i] : 0;
    }
    return { root, left };
}

function child(data, view, parent, i) {
    const item = data.nodes.item[i];
    const isThread = data.depths[i] === 1;
    if (!isThread && view.hidden.has(FRAME_KINDS[data.frames.kind[item]])) return parent;
    const key = isThread ? item : data.labels[item];
    let node = parent.children.get(key);
    if (!node) parent.children.set(key, (node = isThread ? threadNode(data, parent, item) : frameNode(data, parent, item)));
    return node;
}

/** Time of the frames that match, none counted twice below another; and how many nodes match. */
export function searchTree(root, matches) {
    let ns = 0, count = 0;
    const visit = (node, inside) => {
        const match = matches(node);
        if (match && !inside) ns += node.ns;
        count += match ? 1 : 0;
        for (const next of node.children.values()) visit(next, inside || match);
    };
    visit(root, false);
    return { ns, count };
}
