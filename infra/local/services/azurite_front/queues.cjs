"use strict";
// What Azure asks of requests to the Queue service, as far as this project's clients send them.
//
// Source: https://learn.microsoft.com/rest/api/storageservices/operations-on-messages

const names = require("./names.cjs");
const { ofNumber } = require("./requests.cjs");
const { violation } = require("./violation.cjs");

const MAX_MESSAGE_BYTES = 64 * 1024;
const MAX_NUMBER = 2 ** 31 - 1;
const WEEK_SECONDS = 7 * 24 * 60 * 60;
// From this version on a message may live for longer than a week.
const LONG_LIFE = "2017-07-29";

/** Return the violation of a request for a queue or its messages, or null. */
function ofQueues(request, target) {
  const { container, name, query } = target;
  if (container === "") return null;
  const problem = names.ofQueue(container);
  if (problem !== null) return problem;
  const [first, id] = name.split("/");
  if (first !== "messages") return request.method === "PUT" ? names.ofMetadata(request.rawHeaders) : null;
  if (request.method === "GET") {
    return ofNumber(query, "numofmessages", 1, 32) ?? ofNumber(query, "visibilitytimeout", 1, WEEK_SECONDS);
  }
  if (request.method === "POST") return ofLife(query, request.headers["x-ms-version"] ?? query.get("sv"));
  if (id === undefined) return null;
  const needed = request.method === "PUT" ? ["popreceipt", "visibilitytimeout"] : ["popreceipt"];
  const missing = needed.find((each) => !query.get(each));
  if (missing !== undefined) {
    return violation(400, "MissingRequiredQueryParameter", `${missing} is missing.`);
  }
  return ofNumber(query, "visibilitytimeout", 0, WEEK_SECONDS);
}

function ofLife(query, version) {
  const problem = ofNumber(query, "visibilitytimeout", 0, WEEK_SECONDS) ?? ofNumber(query, "messagettl", -1, MAX_NUMBER);
  if (problem !== null) return problem;
  const hidden = Number(query.get("visibilitytimeout") ?? "0");
  const life = Number(query.get("messagettl") ?? WEEK_SECONDS);
  if (life === 0 || (version < LONG_LIFE && (life < 0 || life > WEEK_SECONDS))) {
    return violation(400, "OutOfRangeQueryParameterValue", `messagettl is ${life} in version ${version}.`);
  }
  if (life > 0 && hidden >= life) {
    return violation(
      400, "InvalidQueryParameterValue", `visibilitytimeout is ${hidden}, which is not less than messagettl, ${life}.`,
    );
  }
  return null;
}

/** Return the violation of a message's body, or null. */
function ofMessage(body) {
  // https://www.w3.org/TR/xml/#charsets; references to other characters are no XML either.
  const references = [...body.matchAll(/&#(?:x([0-9a-fA-F]+)|(\d+));/g)];
  const codes = references.map(([, hexadecimal, decimal]) => (hexadecimal ? parseInt(hexadecimal, 16) : Number(decimal)));
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(body) || !codes.every(isCharacter)) {
    return violation(400, "InvalidXmlDocument", "The message has a character that XML cannot carry.");
  }
  const text = /<MessageText>([^]*)<\/MessageText>/.exec(body)?.[1] ?? "";
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_MESSAGE_BYTES) {
    return violation(413, "RequestBodyTooLarge", `The message has ${bytes} bytes as it is sent, more than 64 KiB.`);
  }
  return null;
}

function isCharacter(code) {
  return (
    code === 0x9 || code === 0xa || code === 0xd || (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) || (code >= 0x10000 && code <= 0x10ffff)
  );
}

module.exports = { ofMessage, ofQueues };
