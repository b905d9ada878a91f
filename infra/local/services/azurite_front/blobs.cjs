"use strict";
// What Azure asks of requests to the Blob service, as far as this project's clients send them.

const names = require("./names.cjs");
const { ofNumber } = require("./requests.cjs");
const { violation } = require("./violation.cjs");

const MIB = 1024 * 1024;
const MAX_BLOCK_ID_BYTES = 64;
const MAX_COMMITTED_BLOCKS = 50_000;
const MAX_COPY_SOURCE = 2048;
const MAX_UNCOMMITTED_BLOCKS = 100_000;
// From which version on Put Blob and Put Block take how many MiB.
// Sources: https://learn.microsoft.com/rest/api/storageservices/put-blob, .../put-block
const LIMITS_MIB = [["2019-12-12", 5000, 4000], ["2016-05-31", 256, 100], ["", 64, 4]];
// https://learn.microsoft.com/rest/api/storageservices/list-blobs
const INCLUDES = new Set([
  "copy", "deleted", "deletedwithversions", "immutabilitypolicy", "legalhold", "metadata", "permissions", "snapshots",
  "tags", "uncommittedblobs", "versions",
]);

/** Blocks that are not committed yet, by blob: how long their ids are, and which there are; and which are gone. */
class Blocks {
  constructor(limit = MAX_UNCOMMITTED_BLOCKS) {
    this.blobs = new Map();
    this.gone = new Map();
    this.limit = limit;
  }

  /** Take note of a block; return the violation of its id, or null. */
  stage(blob, id) {
    const bytes = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(id ?? "")
      ? Buffer.from(id ?? "", "base64").length
      : 0;
    if (bytes === 0 || bytes > MAX_BLOCK_ID_BYTES) {
      return violation(
        400, "InvalidQueryParameterValue", `blockid is ${JSON.stringify(id)}, which is no base64 of 1 to 64 bytes.`,
      );
    }
    const staged = this.blobs.get(blob) ?? { bytes, ids: new Set() };
    if (staged.bytes !== bytes) {
      return violation(400, "InvalidBlobOrBlock", `The block's id has ${bytes} bytes, others of the blob ${staged.bytes}.`);
    }
    if (staged.ids.size >= this.limit && !staged.ids.has(id)) {
      return violation(409, "BlockCountExceedsLimit", `The blob has ${this.limit} blocks that are not committed.`);
    }
    staged.ids.add(id);
    this.blobs.set(blob, staged);
    this.gone.get(blob)?.delete(id);
    return null;
  }

  /** Forget a blob's blocks, which were committed. */
  forget(blob) {
    this.blobs.delete(blob);
    this.gone.delete(blob);
  }

  /** Let a blob's blocks be gone, since another content was put over them. */
  discard(blob) {
    const staged = this.blobs.get(blob);
    this.forget(blob);
    if (staged !== undefined) this.gone.set(blob, staged.ids);
  }

  /** Return the violation of a list of a blob's blocks, or null. */
  ofList(blob, body) {
    const listed = [...body.matchAll(/<(?:Committed|Latest|Uncommitted)>([^<]*)</g)].map(([, id]) => id);
    if (listed.length > MAX_COMMITTED_BLOCKS) {
      return violation(
        400, "BlockListTooLong", `The list has ${listed.length} blocks, more than ${MAX_COMMITTED_BLOCKS}.`,
      );
    }
    const gone = listed.find((id) => this.gone.get(blob)?.has(id));
    // https://learn.microsoft.com/rest/api/storageservices/put-block
    if (gone !== undefined) {
      return violation(400, "InvalidBlockList", `The block ${JSON.stringify(gone)} went with what was put over it.`);
    }
    return null;
  }
}

/** Return the violation of a request for a container or blob, or null. */
function ofBlobs(request, target, blocks) {
  const { name, query } = target;
  const { headers, method } = request;
  if (target.container === "") return null;
  if (name === "") return method === "GET" && query.get("comp") === "list" ? ofListing(query) : null;
  return (
    names.ofBlob(name) ??
    (method === "PUT" ? names.ofMetadata(request.rawHeaders) ?? ofWrite(request, target, blocks) : null) ??
    ofConditions(headers, method) ??
    (method === "GET" ? ofRange(headers) : null)
  );
}

function ofConditions(headers, method) {
  const given = ["if-match", "if-modified-since", "if-none-match", "if-unmodified-since"].filter((each) => headers[each]);
  // https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
  const allowed = ["if-match,if-unmodified-since", "if-modified-since,if-none-match"];
  if (method === "GET" || method === "HEAD" || given.length < 2 || allowed.includes(given.join())) return null;
  return violation(400, "MultipleConditionHeadersNotSupported", `A write has ${given.join(" and ")}.`);
}

function ofListing(query) {
  const unknown = (query.get("include") ?? "").split(",").find((each) => each && !INCLUDES.has(each.toLowerCase()));
  if (unknown !== undefined) {
    return violation(400, "InvalidQueryParameterValue", `include has ${JSON.stringify(unknown)}.`);
  }
  // More than 5,000 are taken for 5,000.
  return ofNumber(query, "maxresults", 1, 2 ** 31 - 1);
}

function ofRange(headers) {
  const range = headers["x-ms-range"] ?? headers.range;
  if (range === undefined) return null;
  const match = /^bytes=(\d+)-(\d*)$/.exec(range);
  if (match !== null && (match[2] === "" || Number(match[1]) <= Number(match[2]))) return null;
  return violation(400, "InvalidHeaderValue", `The range ${JSON.stringify(range)} is none.`);
}

function ofWrite(request, target, blocks) {
  const { headers } = request;
  const { query } = target;
  const blob = `${target.container}/${target.name}`;
  const [, blobMib, blockMib] = LIMITS_MIB.find(([from]) => (headers["x-ms-version"] ?? query.get("sv") ?? "") >= from);
  const comp = query.get("comp");
  const length = Number(headers["content-length"]);
  if (comp === "block") {
    if (length > blockMib * MIB) return tooLarge(length, blockMib * MIB);
    return blocks.stage(blob, query.get("blockid"));
  }
  if (comp !== null) return null;
  if (headers["x-ms-copy-source"] !== undefined) return ofSource(headers["x-ms-copy-source"]);
  if (headers["x-ms-blob-type"] === undefined) {
    return violation(400, "MissingRequiredHeader", "x-ms-blob-type is missing.");
  }
  if (length > blobMib * MIB) return tooLarge(length, blobMib * MIB);
  blocks.discard(blob);
  return null;
}

function ofSource(source) {
  // https://learn.microsoft.com/rest/api/storageservices/copy-blob
  if (source.length > MAX_COPY_SOURCE) {
    return violation(400, "InvalidHeaderValue", `x-ms-copy-source has ${source.length} bytes, more than 2 KiB.`);
  }
  try {
    const path = /^https?:\/\/[^/?#]+\/([^?#]*)/.exec(source)[1];
    return names.ofBlob(path.split("/").map(decodeURIComponent).slice(2).join("/"));
  } catch {
    return violation(400, "InvalidHeaderValue", "x-ms-copy-source is not the URL of a blob.");
  }
}

function tooLarge(length, most) {
  return violation(413, "RequestBodyTooLarge", `The body has ${length} bytes, more than ${most}.`);
}

module.exports = { Blocks, ofBlobs };
