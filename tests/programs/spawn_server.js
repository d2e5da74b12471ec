// SPDX-License-Identifier: GPL-2.0-or-later
// A Node.js HTTP server on PORT whose answers wait for a child process. HANDLER=sync waits in child_process.execSync, which
// stops the event loop (non-yielding-io is expected); HANDLER=async uses a callback.
const child = require('child_process');
const http = require('http');

const server = http.createServer((request, response) => {
    if (process.env.HANDLER === 'sync') {
        child.execSync('sleep 0.03');
        response.end('ok\n');
    } else {
        child.exec('sleep 0.03', () => response.end('ok\n'));
    }
});
process.on('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
});
server.listen(process.env.PORT, '127.0.0.1');
