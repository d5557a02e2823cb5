// What tests.bench.peer does, by nodemailer: `node nodemailer.mjs PORT FILE` says "ready", and when it is told to go
// it sends a file's letters over a pool of eight connections, signs them, and says how many seconds that took.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import nodemailer from "nodemailer";

const [port, file] = process.argv.slice(2);
const { pattern, seal, readers } = JSON.parse(readFileSync(file, "utf-8"));
const [addressBlank, tokenBlank] = pattern.blanks;
const filled = (part, reader) => part.replaceAll(tokenBlank, reader.token).replaceAll(addressBlank, reader.address);

const letter = (reader) => ({
  from: { name: pattern.sender[0], address: pattern.sender[1] },
  to: reader.address,
  subject: pattern.subject,
  date: new Date(pattern.at),
  messageId: `<${reader.return_token}@${pattern.sender[1].split("@")[1]}>`,
  list: { id: { comment: pattern.listed[0], url: pattern.listed[1] } },
  headers: {
    "List-Unsubscribe": `<${pattern.site}/u/${reader.token}>`,
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
  },
  text: filled(pattern.text, reader),
  html: filled(pattern.html, reader),
});

const input = createInterface({ input: process.stdin });
console.log("ready");
await input[Symbol.asyncIterator]().next();
const began = performance.now();
const pool = nodemailer.createTransport({
  host: "127.0.0.1",
  port: Number(port),
  ignoreTLS: true,
  name: "localhost",
  pool: true,
  maxConnections: 8,
  maxMessages: Infinity,
  dkim: { domainName: seal.domain, keySelector: seal.selector, privateKey: seal.secret },
});
await Promise.all(readers.map((reader) => pool.sendMail(letter(reader))));
console.log(String((performance.now() - began) / 1000));
pool.close();
input.close();
