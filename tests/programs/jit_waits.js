// SPDX-License-Identifier: GPL-2.0-or-later
// Waits 5 ms at a time in waitHere, TURNS times. Expected with --perf-basic-prof: stacks name waitHere and serve.
const word = new Int32Array(new SharedArrayBuffer(4));

function waitHere() {
    Atomics.wait(word, 0, 0, 5);
}

function serve(turns) {
    for (let turn = 0; turn < turns; turn++)
        waitHere();
}

console.log("ready");
serve(Number(process.env.TURNS || 1e9));
