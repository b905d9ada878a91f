"use strict";
// What Azure refuses of archived blobs and Azurite does not know. It needs the blob's state, which no request tells, so
// it stands around Azurite's own store.

const path = require("node:path");

const STORE = path.join("persistence", "LokiBlobMetadataStore.js");

/** Refuse that an archived blob is copied onto itself, which Azurite takes for a way out of the archive. */
function guardArchive() {
  const loaded = Object.keys(require.cache).find((name) => name.endsWith(STORE));
  if (loaded === undefined) throw new Error("Azurite keeps its blobs in another way than the strict front knows.");
  const store = require(loaded).default.prototype;
  const { default: errors } = require(path.join(path.dirname(loaded), "..", "errors", "StorageErrorFactory.js"));
  for (const method of ["copyFromURL", "startCopyFromURL"]) {
    const copy = store[method];
    store[method] = async function (context, source, destination, ...rest) {
      // https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview
      const same = ["account", "blob", "container"].every((part) => source[part] === destination[part]);
      if (same && !source.snapshot) {
        const found = await this.getBlobProperties(context, source.account, source.container, source.blob);
        if (found.properties.accessTier === "Archive") throw errors.getBlobArchived(context.contextId);
      }
      return copy.call(this, context, source, destination, ...rest);
    };
  }
}

module.exports = { guardArchive };
