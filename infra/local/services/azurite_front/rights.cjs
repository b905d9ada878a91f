"use strict";
// What the roles of an identity allow: Azure asks them with each request that is authorized by a token. An identity is
// known here by the signature that its connection has, and its roles are in the file that STORAGE_RIGHTS names; whoever
// comes with the account's key, or with any other signature, may do everything, as in Azure.
//
// Which right an operation needs:
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory

const fs = require("node:fs");

const { violation } = require("./violation.cjs");

const SERVICES = "Microsoft.Storage/storageAccounts";
const BLOB_SERVICES = `${SERVICES}/blobServices`;
const BLOBS = `${BLOB_SERVICES}/containers/blobs`;
const QUEUE_SERVICES = `${SERVICES}/queueServices`;
const MESSAGES = `${QUEUE_SERVICES}/queues/messages`;
// Operations of PUT on a blob that need the right to write, by their comp.
const WRITES = new Set([
  null, "appendblock", "block", "blocklist", "lease", "metadata", "page", "properties", "seal", "snapshot", "tier",
]);

let known = {};
let seen = "";

/** Return the assignments of who signs so, or null where it is nobody's signature. */
function assignmentsOf(signature) {
  const file = process.env.STORAGE_RIGHTS;
  if (signature === null || !file) return null;
  const stat = fs.statSync(file, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return null;
  const state = `${stat.ino} ${stat.mtimeNs}`;
  if (state !== seen) {
    known = JSON.parse(fs.readFileSync(file, "utf8"));
    seen = state;
  }
  return Object.hasOwn(known, signature) ? known[signature] : null;
}

/** Return the violation of a request that no role of who makes it allows, or null. */
function ofRights(service, request, target) {
  const assignments = assignmentsOf(target.query.get("sig"));
  if (assignments === null) return null;
  const needed = service === "Blob" ? neededOfBlobs(request, target) : neededOfQueues(request, target);
  const may = (need) => assignments.some((each) => reaches(each, service, target) && allows(each, need));
  // Of several sets of rights one is enough.
  if (needed.some((set) => set.every(may))) return null;
  const names = needed.map((set) => set.map((need) => need.action ?? need.dataAction).join(" and ")).join(", or ");
  return violation(
    403, "AuthorizationPermissionMismatch",
    `This request is not authorized to perform this operation using this permission. It needs ${names || "a key"}.`,
  );
}

function reaches(assignment, service, target) {
  return assignment.name === "" || (assignment.service === service && assignment.name === target.container.toLowerCase());
}

function allows(assignment, need) {
  // A condition looks at data alone.
  if (need.action !== undefined) return assignment.actions.some((each) => matches(each, need.action));
  if (!assignment.dataActions.some((each) => matches(each, need.dataAction))) return false;
  return assignment.condition === null || holds(assignment.condition, need);
}

function matches(pattern, action) {
  const parts = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "i").test(action);
}

/** Tell whether a condition, as infra/local/services/conditions.py writes it, is met. */
function holds([kind, ...rest], need) {
  switch (kind) {
    case "all":
      return rest.every((each) => holds(each, need));
    case "any":
      return rest.some((each) => holds(each, need));
    case "not":
      return !holds(rest[0], need);
    case "action":
      return matches(rest[0], need.dataAction);
    case "suboperation":
      return need.suboperation === rest[0];
    case "compare": {
      const [source, attribute, operator, text] = rest;
      const value = need.attributes?.[`${source}:${attribute}`];
      // What a request does not have meets nothing.
      if (value === undefined) return false;
      return operator === "StringEquals" ? value === text : value.startsWith(text);
    }
    default:
      throw new Error(`A condition has ${JSON.stringify(kind)}, which is not known here.`);
  }
}

const action = (name) => ({ action: name });
const data = (name, attributes, suboperation) => ({ attributes, dataAction: name, suboperation });

/** Return the sets of rights of which a request to the Blob service needs one. */
function neededOfBlobs({ method }, { container, name, query }) {
  const comp = query.get("comp");
  const reads = method === "GET" || method === "HEAD";
  if (container === "") {
    return [[action(comp === "list" ? `${BLOB_SERVICES}/containers/read` : `${BLOB_SERVICES}/${reads ? "read" : "write"}`)]];
  }
  if (name === "") {
    if (comp === "list") return [[data(`${BLOBS}/read`, prefixOf(query), "Blob.List")]];
    if (reads) return [[action(`${BLOB_SERVICES}/containers/read`)]];
    return [[action(`${BLOB_SERVICES}/containers/${method === "DELETE" ? "delete" : "write"}`)]];
  }
  const path = { [`Resource:${BLOBS}:path`]: name };
  if (comp === "tags") return [[data(`${BLOBS}/tags/${reads ? "read" : "write"}`, path)]];
  if (reads) return [[data(`${BLOBS}/read`, path)]];
  if (method === "DELETE") {
    return [[data(query.has("versionid") ? `${BLOBS}/deleteBlobVersion/action` : `${BLOBS}/delete`, path)]];
  }
  return method === "PUT" && WRITES.has(comp) ? [[data(`${BLOBS}/write`, path)]] : [];
}

function prefixOf(query) {
  return query.has("prefix") ? { [`Request:${BLOBS}:prefix`]: query.get("prefix") } : {};
}

/** Return the sets of rights of which a request to the Queue service needs one. */
function neededOfQueues({ method }, { container, name, query }) {
  const reads = method === "GET" || method === "HEAD";
  if (container === "") {
    const list = query.get("comp") === "list";
    return [[action(list ? `${QUEUE_SERVICES}/queues/read` : `${QUEUE_SERVICES}/${reads ? "read" : "write"}`)]];
  }
  if (name === "") {
    return [[action(`${QUEUE_SERVICES}/queues/${reads ? "read" : method === "DELETE" ? "delete" : "write"}`)]];
  }
  const [process, read, remove, write] = ["process/action", "read", "delete", "write"].map((each) => data(`${MESSAGES}/${each}`));
  if (method === "POST") return [[data(`${MESSAGES}/add/action`)], [write]];
  if (method === "PUT") return [[write]];
  if (method === "DELETE") return name === "messages" ? [[remove]] : [[process], [remove]];
  return query.get("peekonly") === "true" ? [[read]] : [[process], [remove, read]];
}

module.exports = { ofRights };
