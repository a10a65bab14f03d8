// Hoodiecrow, an IMAP server for tests, with all its plugins but those of Gmail and for users.
// node hoodiecrow.js MODULES PORT PASSWORD
"use strict";
const path = require("path");
const [modules, port, password] = process.argv.slice(2);
const hoodiecrow = require(path.join(modules, "hoodiecrow-imap"));
const user = () => ({ password, xoauth2: {} });

hoodiecrow({
  plugins: [
    "AUTH-PLAIN", "CONDSTORE", "CREATE-SPECIAL-USE", "ENABLE", "ID", "IDLE", "LITERALPLUS", "MOVE",
    "NAMESPACE", "SASL-IR", "SPECIAL-USE", "STARTTLS", "UIDPLUS", "UNSELECT",
  ],
  users: { joe: user(), ann: user() },
  storage: { INBOX: {}, "": { separator: "/", folders: {} } },
}).listen(Number(port), "127.0.0.1");
