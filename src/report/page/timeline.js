// SPDX-License-Identifier: GPL-2.0-or-later
//
// The time line: a bar a bucket, and the selection that dragging over it makes.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;

function rectangle(x, y, width, height, name) {
    const element = document.createElementNS(SVG, "rect");
    for (const [key, value] of Object.entries({ x, y, width, height, class: name })) element.setAttribute(key, value);
    return element;
}

export class Timeline {
    /** select([from, to]) is called with buckets, select(null) where the selection ends. */
    constructor(svg, buckets, select) {
        Object.assign(this, { svg, buckets, select, from: -1 });
        svg.setAttribute("viewBox", `0 0 ${buckets} ${HEIGHT}`);
        svg.addEventListener("pointerdown", (event) => this.begin(event));
        svg.addEventListener("pointermove", (event) => this.from >= 0 && this.mark(this.range(event)));
        svg.addEventListener("pointerup", (event) => this.end(event));
    }

    bucket(event) {
        const bounds = this.svg.getBoundingClientRect();
        const at = Math.floor(((event.clientX - bounds.left) / bounds.width) * this.buckets);
        return Math.min(Math.max(at, 0), this.buckets - 1);
    }

    range(event) {
        const to = this.bucket(event);
        return [Math.min(this.from, to), Math.max(this.from, to) + 1];
    }

    begin(event) {
        this.svg.setPointerCapture(event.pointerId);
        this.from = this.bucket(event);
    }

    end(event) {
        if (this.from < 0) return;
        const range = this.range(event);
        this.from = -1;
        this.select(range);
    }

    mark(range) {
        this.svg.querySelector(".selected")?.remove();
        if (range) this.svg.append(rectangle(range[0], 0, range[1] - range[0], HEIGHT, "selected"));
    }

    draw(times, range) {
        const most = Math.max(...times, 1);
        const bars = Array.from(times, (ns, i) => {
            const height = (ns / most) * (HEIGHT - 4);
            return rectangle(i, HEIGHT - height, 0.85, height, "bar");
        });
        this.svg.replaceChildren(...bars);
        this.mark(range);
    }
}
