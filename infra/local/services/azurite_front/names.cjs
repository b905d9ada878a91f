"use strict";
// The names that Azure Storage takes, as far as an emulator is less strict; each rule with its source.
//
// Sources: https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata,
// https://learn.microsoft.com/rest/api/storageservices/naming-queues-and-metadata

const { violation } = require("./violation.cjs");

const MAX_BLOB_NAME = 1024;
const MAX_METADATA_BYTES = 8 * 1024;
const MAX_SEGMENTS = 254;

// Control characters, private use, and what is no character; the service in front of Azure refuses the URL.
// Sources: the naming document; https://github.com/Azure/azure-storage-node/issues/385 for private use.
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ue000-\uf8ff\ufdd0-\ufdef\ufffe\uffff]/u;
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const METADATA = "x-ms-meta-";
const QUEUE = /^(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*$/;

/** Return the violation of a blob's decoded name, or null. */
function ofBlob(name) {
  const bad = (code, reason) => violation(400, code, `The blob name ${JSON.stringify(name.slice(0, 200))} ${reason}.`);
  if (name.length > MAX_BLOB_NAME) {
    return bad("OutOfRangeInput", `has ${name.length} characters, more than ${MAX_BLOB_NAME}`);
  }
  if (name.includes("\\")) {
    return bad("InvalidUri", "has a backslash, which Azure takes for a slash: the blob would get another name");
  }
  if (FORBIDDEN.test(name)) {
    return bad("InvalidUri", "has a character that Azure does not take, however it is encoded");
  }
  const segments = name.split("/");
  if (segments.length > MAX_SEGMENTS) {
    return bad("InvalidUri", `has ${segments.length} parts between slashes, more than ${MAX_SEGMENTS}`);
  }
  if (segments.some((segment) => segment === "." || segment === "..")) {
    return bad("InvalidUri", "has '.' or '..' between slashes, which Azure resolves: the blob would get another name");
  }
  // https://github.com/Azure/azure-sdk-for-java/issues/36674, https://github.com/microsoft/AzureStorageExplorer/issues/2833
  if (segments.some((segment) => segment.endsWith("."))) {
    return bad("InvalidUri", "has a part that ends in a dot, which Azure cuts off: the blob would get another name");
  }
  return null;
}

/** Return the violation of the metadata among raw headers (names and values by turns), or null. */
function ofMetadata(rawHeaders) {
  let bytes = 0;
  const seen = new Set();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (!rawHeaders[index].toLowerCase().startsWith(METADATA)) continue;
    const name = rawHeaders[index].slice(METADATA.length);
    const value = rawHeaders[index + 1];
    if (name === "") return violation(400, "EmptyMetadataKey", "The key of a metadata pair is empty.");
    if (!IDENTIFIER.test(name)) {
      return violation(400, "InvalidMetadata", `The metadata name ${JSON.stringify(name)} is no C# identifier.`);
    }
    if (seen.has(name.toLowerCase())) {
      return violation(400, "InvalidMetadata", `The metadata name ${name} comes twice, which Azure makes one value of.`);
    }
    if (!/^[\x20-\x7e]*$/.test(value)) {
      return violation(400, "InvalidMetadata", `The value of the metadata ${name} is not printable ASCII.`);
    }
    seen.add(name.toLowerCase());
    bytes += name.length + value.length;
  }
  if (bytes > MAX_METADATA_BYTES) {
    return violation(400, "MetadataTooLarge", `The metadata have ${bytes} bytes, more than ${MAX_METADATA_BYTES}.`);
  }
  return null;
}

/** Return the violation of a queue's name, or null. */
function ofQueue(name) {
  if (QUEUE.test(name)) return null;
  const code = name.length < 3 || name.length > 63 ? "OutOfRangeInput" : "InvalidResourceName";
  return violation(400, code, `The queue name ${JSON.stringify(name.slice(0, 100))} is not one that Azure takes.`);
}

module.exports = { ofBlob, ofMetadata, ofQueue };
