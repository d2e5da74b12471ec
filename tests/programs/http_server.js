// SPDX-License-Identifier: GPL-2.0-or-later
// A Node.js HTTP server on PORT that reads a file and sets a timer for each answer. Nothing is expected.
const fs = require('fs');
const http = require('http');

const server = http.createServer((request, response) => {
    fs.readFile(__filename, (error, text) => setTimeout(() => response.end(`${text.length}\n`), 1));
});
process.on('SIGTERM', () => {
    server.close();
    server.closeAllConnections();
});
server.listen(process.env.PORT, '127.0.0.1');
