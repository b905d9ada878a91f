"use strict";
// What is wrong with a request: Azure's HTTP status and error code for it, and a sentence.

const violation = (status, code, message) => ({ code, message, status });

module.exports = { violation };
