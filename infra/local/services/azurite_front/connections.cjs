"use strict";
// Whom a service answers, and how many connections it keeps: as the other endpoints of a local run do, for the reasons
// that pipeline_app/worker/listening.py gives.

const { violation } = require("./violation.cjs");

// What a client may take to send the head of a request, and how often Node.js looks at that.
const ASK_MILLISECONDS = 10 * 1000;
const LOOK_MILLISECONDS = 2 * 1000;
// Clients keep a pool of connections each; a new one beyond these takes the place of one that waits for longest.
const MOST_CONNECTIONS = 512;

const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** Return whether a host, with or without a port, is this machine to everybody. */
function isLoopback(host) {
  const match = /^(\[[0-9a-f:.]+\]|[^\][:/?#@\s]+)(:\d{1,5})?$/i.exec(host);
  return match !== null && LOOPBACK.has(match[1].toLowerCase());
}

/** Return the violation of who asks and by which name, or null. */
function ofAsker(request) {
  const hosts = request.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host");
  if (hosts.length !== 1 || !request.url.startsWith("/")) {
    return violation(400, "InvalidHeaderValue", "A request has one header Host, and asks for a path.");
  }
  if (!isLoopback(request.headers.host)) {
    return violation(403, "ForeignHost", "Ask by the address 127.0.0.1, or by localhost.");
  }
  const origin = request.headers.origin;
  if (origin !== undefined && !isLoopback(origin.replace(/^https?:\/\//, ""))) {
    return violation(403, "ForeignOrigin", "A page of another origin has no business here.");
  }
  return null;
}

/**
 * Let a server keep some connections at most, and none for long that asks nothing; Node.js closes one that rests.
 *
 * Return what is to be told of each request.
 */
function bound(server) {
  server.connectionsCheckingInterval = LOOK_MILLISECONDS;
  server.headersTimeout = ASK_MILLISECONDS;
  // In the order in which they began to wait: those that never asked anything, and those that rest after an answer.
  const fresh = new Set();
  const resting = new Set();
  let open = 0;
  server.on("connection", (socket) => {
    open += 1;
    socket.once("close", () => {
      open -= 1;
      fresh.delete(socket);
      resting.delete(socket);
    });
    if (open > MOST_CONNECTIONS) {
      // Where all the others are in the middle of a request, this one may try again.
      const [one] = [...first(fresh), ...first(resting), socket];
      fresh.delete(one);
      resting.delete(one);
      one.destroy();
    }
    if (!socket.destroyed) fresh.add(socket);
  });
  return ({ socket }, response) => {
    fresh.delete(socket);
    resting.delete(socket);
    response.once("close", () => {
      if (!socket.destroyed) resting.add(socket);
    });
  };
}

/** Return the first of a set, in a list. */
function first(set) {
  return set.size === 0 ? [] : [set.values().next().value];
}

module.exports = { bound, ofAsker };
