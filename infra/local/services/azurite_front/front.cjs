"use strict";
// Stands in front of Azurite, in its own process: what Azure would refuse, or take for something else, is refused here
// with Azure's status and error code before Azurite sees it.
//
// It is loaded by `node --require` before Azurite's own modules. A proxy would have cost every request another process
// and two more passes through sockets; this costs some ten microseconds of string comparisons. Bodies are not touched,
// but for messages and lists of blocks, which are small.
//
// Each refusal is a line on standard output, and one in the file that STORAGE_REFUSALS names, written before the answer.
// Who has no business here at all gets an answer and no line, or any page could fill the log.

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");

const { guardArchive } = require("./archive.cjs");
const { Blocks, ofBlobs } = require("./blobs.cjs");
const { bound, ofAsker } = require("./connections.cjs");
const { ofMessage, ofQueues } = require("./queues.cjs");
const { ofRequest, parsed } = require("./requests.cjs");
const { ofRights } = require("./rights.cjs");
const { violation } = require("./violation.cjs");

// The longest list of blocks that Azure takes has some 6 MiB.
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const SHOWN = 300;

const createServer = http.createServer;
http.createServer = function (...options) {
  const server = createServer.apply(this, options);
  // Azurite makes one server for each service, and nothing else about a request tells blobs from queues.
  const service = /(Blob|Queue|Table)Server\.js/.exec(new Error().stack)?.[1];
  if (service === undefined) throw new Error("Azurite makes its servers in another way than the strict front knows.");
  if (service === "Blob") guardArchive();
  if (service !== "Table") guard(server, service);
  watch(server, service);
  return server;
};

/** Keep strangers and idle connections from a server. */
function watch(server, service) {
  const asked = bound(server);
  const emit = server.emit;
  server.emit = function (event, request, response) {
    if (event === "request") asked(request, response);
    const problem = event === "request" ? ofAsker(request) : null;
    if (problem === null) return emit.apply(this, arguments);
    answer(service, request, response, problem, true);
    return true;
  };
}

function guard(server, service) {
  const blocks = new Blocks();
  const emit = server.emit;
  server.emit = function (event, request, response) {
    if (event !== "request") return emit.apply(this, arguments);
    const target = parsed(request);
    const problem =
      target === null
        ? violation(400, "InvalidUri", "The URL is not percent-encoded UTF-8.")
        : ofRequest(request, target.query, Date.now()) ??
          ofRights(service, request, target) ??
          (service === "Blob" ? ofBlobs(request, target, blocks) : ofQueues(request, target));
    if (problem !== null) {
      refuse(service, request, response, problem);
      return true;
    }
    const check = bodyCheck(service, request, target, blocks);
    if (check === null) return emit.apply(this, arguments);
    if (Number(request.headers["content-length"]) > MAX_BODY_BYTES) {
      refuse(service, request, response, violation(413, "RequestBodyTooLarge", "The body is larger than any can be."));
      return true;
    }
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    // A request that breaks off has no end, and nobody to answer.
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      const found = check(body.toString("utf8"));
      if (found !== null) refuse(service, request, response, found);
      else emit.call(this, event, again(request, body), response);
    });
    return true;
  };
}

/** Return what looks at a request's body, or null where its body passes untouched. */
function bodyCheck(service, request, target, blocks) {
  if (Number(request.headers["content-length"] ?? 0) === 0) return null;
  if (service === "Queue") {
    const writes = request.method === "POST" || request.method === "PUT";
    return writes && target.name.startsWith("messages") ? ofMessage : null;
  }
  if (request.method !== "PUT" || target.query.get("comp") !== "blocklist" || target.name === "") return null;
  return (text) => {
    const blob = `${target.container}/${target.name}`;
    const problem = blocks.ofList(blob, text);
    if (problem === null) blocks.forget(blob);
    return problem;
  };
}

/** Return the request anew, with a body that was read already. */
function again(request, body) {
  const copy = new http.IncomingMessage(request.socket);
  for (const name of ["httpVersion", "httpVersionMajor", "httpVersionMinor", "method", "rawHeaders", "url"]) {
    copy[name] = request[name];
  }
  copy.headers = request.headers;
  copy.complete = true;
  copy.push(body);
  copy.push(null);
  return copy;
}

function refuse(service, request, response, problem) {
  // The query may hold a signature, which no log may show.
  const path = request.url.split("?")[0].slice(0, SHOWN);
  const { code, status } = problem;
  const line = `Refused as Azure would: ${status} ${code} to ${request.method} ${path} (${service}): ${shown(problem)}`;
  console.log(line);
  if (process.env.STORAGE_REFUSALS) fs.appendFileSync(process.env.STORAGE_REFUSALS, `${line}\n`);
  // What is still on its way of a large body is not waited for.
  const endless = !request.complete && !(Number(request.headers["content-length"]) <= MAX_BODY_BYTES);
  answer(service, request, response, problem, endless);
}

function shown({ message }) {
  return message.replace(/[^\x20-\x7e]/g, "?");
}

function answer(service, request, response, problem, close) {
  const { code, status } = problem;
  const text = shown(problem);
  const id = crypto.randomUUID();
  const body =
    `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code>` +
    `<Message>${text.replace(/&/g, "&amp;").replace(/</g, "&lt;")}\nRequestId:${id}\nTime:${new Date().toISOString()}</Message></Error>`;
  const headers = {
    "Content-Length": Buffer.byteLength(body),
    "Content-Type": "application/xml",
    Server: `Windows-Azure-${service}/1.0`,
    "x-ms-error-code": code,
    "x-ms-request-id": id,
  };
  if (close) headers.Connection = "close";
  request.resume();
  response.writeHead(status, headers);
  response.end(request.method === "HEAD" ? undefined : body);
}
