// SPDX-License-Identifier: GPL-2.0-or-later

/** 4060000000: "4.06 s". */
export function duration(ns) {
    for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]])
        if (ns >= size) return `${precise(ns / size)} ${unit}`;
    return `${Math.round(ns)} ns`;
}

function precise(value) {
    return value >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}

/** 0.382: "38.2 %". */
export function share(part, whole) {
    if (!(whole > 0)) return "-";
    const percent = (100 * part) / whole;
    return percent > 0 && percent < 0.1 ? "< 0.1 %" : `${Number(percent.toPrecision(3))} %`;
}
