// SPDX-License-Identifier: GPL-2.0-or-later
//
// Joins the parts of the page: what the controls say (view) decides what is counted (data.js) and drawn.
import { FRAME_KINDS, bucketTimes, load, searchTree, stackTimes, tree } from "./data.js";
import { draw } from "./flame.js";
import { Timeline } from "./timeline.js";
import { duration, share } from "./units.js";

const $ = (id) => document.getElementById(id);
const data = load($("data").textContent);
const view = { kind: data.kind, idle: data.idle, pid: -1, thread: -1, range: null, hidden: new Set() };
const shown = { root: null, left: 0, focus: null, matches: null, finding: null };

function make(name, properties = {}, ...children) {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
}

// ---- counting and drawing

function path(node) {
    const labels = [];
    for (; node?.parent; node = node.parent) labels.unshift(node.kind + node.label);
    return labels;
}

/** The node of the new tree where the old focus was, as far down as it still exists. */
function refocus(root, labels) {
    let node = root;
    for (const label of labels) {
        const next = [...node.children.values()].find((child) => child.kind + child.label === label);
        if (!next) break;
        node = next;
    }
    return node;
}

function count() {
    const times = stackTimes(data, view);
    const labels = path(shown.focus);
    const linked = shown.finding ? new Set(shown.finding.stacks) : null;
    Object.assign(shown, tree(data, view, times, linked));
    shown.stacks = times.reduce((sum, ns) => sum + (ns > 0), 0);
    shown.whole = view.range ? stackTimes(data, { ...view, range: null }).reduce((a, b) => a + b, 0) : shown.root.ns;
    shown.focus = refocus(shown.root, labels);
    timeline.draw(bucketTimes(data, view), view.range);
    timeShow();
    show();
}

function show() {
    $("reset").disabled = shown.focus === shown.root;
    if (shown.root.ns > 0) draw($("flame"), { focus: shown.focus, matches: shown.matches, linked: shown.finding });
    else $("flame").replaceChildren(make("p", { className: "empty", textContent: "No waits of this kind here." }));
    $("status").textContent = statusText();
}

function statusText() {
    const { root, whole, stacks, left } = shown;
    const parts = [`${duration(root.ns)} of waiting in ${stacks.toLocaleString("en")} stacks`];
    if (view.range) parts.push(`${share(root.ns, whole)} of ${duration(whole)} in the whole recording`);
    if (shown.finding) parts.push(`finding: ${duration(root.marked)}, ${share(root.marked, root.ns)}`);
    if (shown.matches) {
        const found = searchTree(root, shown.matches);
        parts.push(`found ${found.count}: ${duration(found.ns)}, ${share(found.ns, root.ns)}`);
    }
    if (left) parts.push(`left out, each below 0.001 %: ${left.toLocaleString("en")}`);
    return parts.join(" · ");
}

// ---- controls

function kindsMake() {
    const present = (i) => data.stacks.kinds.some((kinds) => (kinds >> i) & 1);
    data.kinds.forEach((kind, i) => {
        if (data.kinds.findIndex((other) => other.name === kind.name) < i) return; // another side of it
        const button = make("button", { type: "button", textContent: kind.name, title: kind.description });
        button.disabled = !present(i);
        if (button.disabled) button.title = `nothing of this kind was recorded${kind.needs ? `: ${kind.needs}` : ""}`;
        button.onclick = () => {
            view.kind = i;
            kindsMark();
            count();
        };
        $("kinds").append(button);
    });
    $("side").onchange = () => {
        view.kind = Number($("side").value);
        count();
    };
    kindsMark();
}

/** Which kind is shown; of one with several sides (by waiter, by owner) a choice between them. */
function kindsMark() {
    const shownKind = data.kinds[view.kind];
    for (const button of $("kinds").children) button.setAttribute("aria-pressed", button.textContent === shownKind.name);
    $("side").parentElement.hidden = !shownKind.by;
    $("side").replaceChildren();
    data.kinds.forEach((kind, i) => {
        if (kind.by && kind.name === shownKind.name)
            $("side").append(make("option", { value: i, textContent: kind.by, title: kind.description, selected: i === view.kind }));
    });
}

function togglesMake() {
    const present = new Set(data.frames.kind);
    for (const kind of ["native", "python", "kernel"]) {
        if (!present.has(FRAME_KINDS.indexOf(kind))) continue;
        const box = make("input", { type: "checkbox", checked: true, id: `toggle-${kind}` });
        box.onchange = () => {
            view.hidden[box.checked ? "delete" : "add"](kind);
            count();
        };
        $("toggles").append(make("label", {}, box, make("span", { className: `swatch ${kind}` }), kind));
    }
}

function processesMake() {
    const processes = new Map(data.threads.map((thread) => [thread.pid, thread]));
    $("process").append(make("option", { value: -1, textContent: `all (${processes.size})` }));
    for (const [pid, thread] of processes)
        $("process").append(make("option", { value: pid, textContent: `${thread.program} ${pid}`, title: thread.command }));
    $("process").onchange = () => {
        view.pid = Number($("process").value);
        view.thread = -1;
        threadsMake();
        count();
    };
}

const THREADS_MAX = 500;

function threadsMake() {
    const waits = new Map();
    data.stacks.thread.forEach((thread, i) => waits.set(thread, (waits.get(thread) ?? 0) + data.stacks.ns[i]));
    const threads = [...waits.keys()].filter((i) => view.pid < 0 || data.threads[i].pid === view.pid);
    threads.sort((a, b) => Boolean(data.threads[b].loop) - Boolean(data.threads[a].loop) || waits.get(b) - waits.get(a));
    $("thread").replaceChildren(make("option", { value: -1, textContent: `all (${threads.length})` }));
    for (const i of threads.slice(0, THREADS_MAX))
        $("thread").append(make("option", { value: i, textContent: (data.threads[i].loop ? "↻ " : "") + data.threads[i].title }));
}

function searchApply() {
    const text = $("search").value.trim().toLowerCase();
    shown.matches = text ? (node) => node.kind !== "all" && searchText(node).includes(text) : null;
    show();
}

function searchText(node) {
    node.text ??= `${node.label} ${node.frame === undefined ? "" : `${data.frames.module[node.frame]} ${data.frames.file[node.frame]}`}`.toLowerCase();
    return node.text;
}

// ---- time line

const timeline = new Timeline($("timeline"), data.buckets, (range) => {
    view.range = range;
    count();
});

function timeShow() {
    const at = (bucket) => (bucket / data.buckets) * data.span_ns;
    $("time-from").textContent = new Date(data.start_ms).toISOString().replace("T", " ").replace("Z", " UTC");
    $("time-to").textContent = `+ ${duration(data.span_ns)}`;
    $("time-range").replaceChildren();
    if (!view.range) return;
    const clear = make("button", { type: "button", textContent: "whole recording", id: "time-clear" });
    clear.onclick = () => {
        view.range = null;
        count();
    };
    const [from, to] = view.range.map(at);
    $("time-range").append(`${duration(from)} to ${duration(to)} `, clear);
}

// ---- frames

function facts(node) {
    const rows = [["time", `${duration(node.ns)}, ${share(node.ns, shown.root.ns)} of all shown`]];
    if (node.parent) rows.push(["of caller", share(node.ns, node.parent.ns)]);
    if (node.frame !== undefined) {
        const { module, file, line } = data.frames;
        if (module[node.frame]) rows.push(["module", module[node.frame]]);
        if (file[node.frame]) rows.push(["file", file[node.frame] + (line[node.frame] ? `:${line[node.frame]}` : "")]);
    }
    if (node.thread !== undefined) {
        const thread = data.threads[node.thread];
        rows.push(["command", thread.command], ["host", thread.host]);
        if (thread.loop) rows.push(["runs", `an event loop (${thread.loop})`]);
    }
    return rows;
}

function nodeAt(event) {
    return event.target.closest?.(".frame")?.node;
}

function tipShow(event) {
    const node = nodeAt(event);
    const tip = $("tip");
    tip.hidden = !node;
    if (!node) return;
    tip.textContent = [node.label, ...facts(node).map(([name, value]) => `${name}: ${value}`)].join("\n");
    tip.style.left = `${Math.max(0, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    const below = event.clientY + 18;
    tip.style.top = `${below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below}px`;
}

function detailsShow(node) {
    const list = make("dl");
    for (const [name, value] of facts(node)) list.append(make("dt", { textContent: name }), make("dd", { textContent: value }));
    $("details").replaceChildren(make("h2", { textContent: node.label }), list);
}

function zoom(node) {
    shown.focus = node;
    detailsShow(node);
    show();
}

// ---- findings

function findingsMake() {
    for (const finding of data.findings) {
        const card = make("button", { type: "button", className: `finding ${finding.severity}`, title: finding.remedy },
            make("span", { textContent: finding.title }),
            make("small", { textContent: `${finding.rule} · ${duration(finding.ns)} · ${finding.count.toLocaleString("en")} times` }));
        card.setAttribute("aria-pressed", false);
        card.onclick = () => findingSelect(shown.finding === finding ? null : finding, card);
        $("findings").append(card);
    }
    if (!data.findings.length) $("findings").append(make("p", { textContent: "None." }));
    $("warnings").append(...data.warnings.map((text) => make("p", { textContent: text })));
}

function findingSelect(finding, card) {
    shown.finding = finding;
    for (const other of $("findings").children) other.setAttribute("aria-pressed", other === card && Boolean(finding));
    $("details").replaceChildren();
    if (finding) {
        shown.focus = null;
        const about = finding.stacks.length ? finding.remedy : `${finding.remedy} Its time was not spent waiting: no frame here shows it.`;
        $("details").append(make("h2", { textContent: finding.title }), make("p", { textContent: about }));
    }
    count();
}

// ---- start

$("verdict").textContent = data.verdict;
$("idle").checked = view.idle;
$("idle").onchange = () => {
    view.idle = $("idle").checked;
    count();
};
$("thread").onchange = () => {
    view.thread = Number($("thread").value);
    count();
};
$("search").oninput = searchApply;
$("reset").onclick = () => zoom(shown.root);
$("flame").onclick = (event) => nodeAt(event) && zoom(nodeAt(event));
$("flame").onpointermove = tipShow;
$("flame").onpointerleave = () => ($("tip").hidden = true);
document.onkeydown = (event) => {
    if (event.key === "Escape" && shown.focus !== shown.root) zoom(shown.root);
    if (event.key === "/" && document.activeElement !== $("search")) {
        event.preventDefault();
        $("search").focus();
    }
};
addEventListener("resize", show);
kindsMake();
togglesMake();
processesMake();
threadsMake();
findingsMake();
count();
