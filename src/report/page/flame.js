// SPDX-License-Identifier: GPL-2.0-or-later
//
// Draws a tree of data.js as rows of boxes, root on top. Only boxes that can be seen are made: the page stays quick
// whatever the size of the tree.

const ROW = 18;
const PIXELS_MIN = 1;

function heaviestFirst(node) {
    node.sorted ??= [...node.children.values()].sort((a, b) => b.ns - a.ns);
    return node.sorted;
}

function box(node, left, width, state) {
    const element = document.createElement("div");
    element.className = `frame ${node.kind}`;
    element.style.cssText = `left:${left}px;top:${node.depth * ROW}px;width:${Math.max(width - 0.5, 0.5)}px`;
    if (width < 8) element.style.padding = "0";
    else element.textContent = (node.kind === "loop" ? "↻ " : "") + node.label;
    element.dataset.label = node.label;
    element.node = node;
    const found = state.matches?.(node);
    element.classList.toggle("found", Boolean(found));
    element.classList.toggle("dim", state.linked ? node.marked <= 0 : Boolean(state.matches) && !found);
    return element;
}

/** state: {focus, matches, linked}. Shows the focus over the whole width and its callers above it. */
export function draw(container, state) {
    const fragment = document.createDocumentFragment();
    const width = container.clientWidth;
    let deepest = 0;
    const place = (node, left, scale) => {
        const size = node.ns * scale;
        if (size < PIXELS_MIN) return;
        deepest = Math.max(deepest, node.depth);
        fragment.append(box(node, left, size, state));
        for (const next of heaviestFirst(node)) {
            place(next, left, scale);
            left += next.ns * scale;
        }
    };
    for (let outer = state.focus.parent; outer; outer = outer.parent) {
        const element = box(outer, 0, width, state);
        element.classList.add("outer");
        fragment.append(element);
    }
    if (state.focus.ns > 0) place(state.focus, 0, width / state.focus.ns);
    container.replaceChildren(fragment);
    container.style.height = `${(deepest + 1) * ROW}px`;
}
