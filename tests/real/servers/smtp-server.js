// The smtp-server of Nodemailer, with its defaults, delivering to a Maildir for each user.
// node smtp-server.js MODULES PORT FOLDER CHAIN KEY PASSWORD [--lmtp]
"use strict";
const fs = require("fs");
const path = require("path");
const [modules, port, folder, chain, key, password, lmtp] = process.argv.slice(2);
const { SMTPServer } = require(path.join(modules, "smtp-server"));
const USERS = ["joe", "ann", "postmaster"];
let serial = 0;

const localPart = (address) => address.replace(/@.*/s, "").toLowerCase();

function deliver(user, text) {
  const name = `${Math.floor(Date.now() / 1000)}.M${++serial}P${process.pid}.localhost`;
  for (const part of ["tmp", "new", "cur"]) {
    fs.mkdirSync(path.join(folder, user, part), { recursive: true });
  }
  fs.writeFileSync(path.join(folder, user, "tmp", name), text);
  fs.renameSync(path.join(folder, user, "tmp", name), path.join(folder, user, "new", name));
}

function refusal(code, words) {
  return Object.assign(new Error(words), { responseCode: code });
}

const server = new SMTPServer({
  name: "mail.example.org",
  lmtp: lmtp === "--lmtp",
  cert: fs.readFileSync(chain),
  key: fs.readFileSync(key),
  authOptional: true,
  allowInsecureAuth: true,
  size: 1000000,
  onAuth(auth, session, done) {
    const good = auth.username === "joe" && auth.password === password;
    done(good ? null : refusal(535, "wrong user or password"), good ? { user: "joe" } : undefined);
  },
  onRcptTo(address, session, done) {
    const known = USERS.includes(localPart(address.address));
    done(known ? null : refusal(550, "no such user"));
  },
  onData(stream, session, done) {
    const chunks = [];
    stream.on("data", (chunk) => chunks.push(chunk));
    stream.on("end", () => {
      if (stream.sizeExceeded) {
        return done(refusal(552, "the message is too large"));
      }
      // The library leaves the trace fields to its user.
      const sender = session.envelope.mailFrom.address || "";
      const trace = `Return-Path: <${sender}>\r\nReceived: from client.example.org\r\n` +
        "\tby mail.example.org; Mon, 5 Jan 2026 10:00:01 +0000\r\n";
      const text = Buffer.concat([Buffer.from(trace), ...chunks]);
      const recipients = session.envelope.rcptTo.map((recipient) => localPart(recipient.address));
      recipients.forEach((user) => deliver(user, text));
      return lmtp ? done(null, recipients.map(() => "kept")) : done(null, "kept");
    });
  },
});
server.on("error", () => {});
server.listen(Number(port), "127.0.0.1");
