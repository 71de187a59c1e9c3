// The list generator once more, from its description alone: node allocation_list.mjs
// prints the SHA-256 of NETTER-2's list for the seed of tests/allocation/test_lists.py.
import { createHash } from "node:crypto";

const seed = "a seed that only these tests know";
const strata = ["2 / PANCREAS", "2 / OTHER", "3 / PANCREAS", "3 / OTHER"];
const block = ["LU", "LU", "LU", "LU", "CONTROL", "CONTROL"];

function* words(purpose) {
  for (let counter = 0n; ; counter++) {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(counter);
    const start = Buffer.from(`radioligand list 1\0${seed}\0${purpose}\0`, "utf8");
    const digest = createHash("sha256").update(Buffer.concat([start, number])).digest();
    for (const at of [0, 8, 16, 24]) yield digest.readBigUInt64BE(at);
  }
}

function below(n, source) {
  const limit = ((1n << 64n) / n) * n;
  for (;;) {
    const word = source.next().value;
    if (word < limit) return Number(word % n);
  }
}

const rows = [];
for (const stratum of strata) {
  const source = words(`arms of ${stratum}`);
  for (let first = 1; first <= 240; first += 6) {
    below(1n, source); // one size of block to choose from
    const arms = [...block];
    for (let i = arms.length - 1; i > 0; i--) {
      const j = below(BigInt(i + 1), source);
      [arms[i], arms[j]] = [arms[j], arms[i]];
    }
    arms.forEach((arm, at) => rows.push(`${stratum},${first + at},${arm}`));
  }
}
console.log(createHash("sha256").update(rows.join("\n")).digest("hex"));
