"use strict";
// What Azure Storage asks of every request: version, date, authorization, length, and a URL that can be decoded.

const { violation } = require("./violation.cjs");

const MAX_CLIENT_REQUEST_ID = 1024;
const MAX_SKEW_MILLISECONDS = 15 * 60 * 1000;

// Those that clients of today speak, up to the newest of the SDKs that this project pins.
// Source: https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services
const VERSIONS = new Set([
  "2015-02-21", "2015-04-05", "2015-07-08", "2015-12-11", "2016-05-31", "2017-04-17", "2017-07-29", "2017-11-09",
  "2018-03-28", "2018-11-09", "2019-02-02", "2019-07-07", "2019-10-10", "2019-12-12", "2020-02-10", "2020-04-08",
  "2020-06-12", "2020-08-04", "2020-10-02", "2020-12-06", "2021-02-12", "2021-04-10", "2021-06-08", "2021-08-06",
  "2021-10-04", "2021-12-02", "2022-11-02", "2023-01-03", "2023-08-03", "2023-11-03", "2024-02-04", "2024-05-04",
  "2024-08-04", "2024-11-04", "2025-01-05", "2025-05-05", "2025-07-05", "2025-11-05", "2026-02-06", "2026-04-06",
  "2026-06-06", "2026-10-06",
]);

/** Return a request's account, container (or queue), rest of the path and query, decoded; or null if it cannot be. */
function parsed(request) {
  const [path, ...rest] = request.url.split("?");
  try {
    // Raw bytes beyond ASCII never come here: Node.js refuses them in a request's first line.
    const [, account, container, ...more] = path.split("/").map(decodeURIComponent);
    return {
      account,
      container: container ?? "",
      name: more.join("/"),
      query: new URLSearchParams(rest.join("?")),
    };
  } catch {
    return null;
  }
}

/** Return the violation of what all requests have in common, or null. */
function ofRequest(request, query, now) {
  const headers = request.headers;
  const signed = headers.authorization !== undefined;
  const version = headers["x-ms-version"];
  if (version !== undefined && !VERSIONS.has(version)) {
    return violation(400, "InvalidHeaderValue", `Azure has no version ${JSON.stringify(version)} (x-ms-version).`);
  }
  if (signed && version === undefined) {
    return violation(
      400, "MissingRequiredHeader", "x-ms-version is missing, so Azure would take the request for one of 2009.",
    );
  }
  if (query.has("sig") && !VERSIONS.has(query.get("sv"))) {
    return violation(403, "AuthenticationFailed", `The signature is of version ${JSON.stringify(query.get("sv"))}.`);
  }
  if (signed) {
    // https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    const date = headers["x-ms-date"] ?? headers.date;
    const skew = Math.abs(Date.parse(date) - now);
    if (!(skew <= MAX_SKEW_MILLISECONDS)) {
      return violation(403, "AuthenticationFailed", `The date ${JSON.stringify(date)} is not within 15 minutes.`);
    }
  }
  if ((headers["x-ms-client-request-id"] ?? "").length > MAX_CLIENT_REQUEST_ID) {
    return violation(400, "InvalidHeaderValue", "x-ms-client-request-id has more than 1,024 characters.");
  }
  if ((request.method === "PUT" || request.method === "POST") && headers["content-length"] === undefined) {
    return violation(411, "MissingContentLengthHeader", "Content-Length is missing; Azure takes no body in chunks.");
  }
  return null;
}

/** Return the violation of a query parameter that must be a whole number from least to most, or null. */
function ofNumber(query, name, least, most) {
  const text = query.get(name);
  if (text === null) return null;
  if (!/^-?\d+$/.test(text)) {
    return violation(400, "InvalidQueryParameterValue", `${name} is ${JSON.stringify(text)}, which is no whole number.`);
  }
  if (Number(text) < least || Number(text) > most) {
    return violation(400, "OutOfRangeQueryParameterValue", `${name} is ${text}, which is not ${least} to ${most}.`);
  }
  return null;
}

module.exports = { ofNumber, ofRequest, parsed };
