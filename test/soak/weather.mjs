// The processes of a soak, and what befalls them: some are killed and replaced, others stand still for a while.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { below, random } from './content.mjs';

const PROGRAM = fileURLToPath(new URL('process.mjs', import.meta.url));
const ROLES = ['writer', 'writer', 'writer', 'writer', 'pruner', 'pruner', 'reader'];
const BETWEEN_MS = { least: 150, most: 1_500 };
const PAUSE_MS = { least: 300, most: 9_000 };
const KILLS = 0.4;
/** A process that has not ended so long after it was asked to hangs. */
const PATIENCE_MS = 180_000;

/** Runs the processes for a time. All that is chosen comes from the seed; what it meets does not. */
export class Weather {
  counts = { kills: 0, pauses: 0 };
  /** What processes said that ended on their own. */
  failures = [];
  #shared;
  #folder;
  #next;
  #members = [];
  #wakings = new Set();

  constructor({ seed, location, folder }) {
    this.#shared = { seed, location, folder };
    this.#folder = folder;
    this.#next = random(seed, 'weather');
  }

  /** Resolves when the time is over, or at once when a process fails. All have ended then. */
  async blow(milliseconds) {
    const end = Date.now() + milliseconds;
    this.#members = ROLES.map((role, at) => ({ role, at, life: 0 }));
    for (const member of this.#members) this.#start(member);
    while (Date.now() < end && this.failures.length === 0) {
      await wait(between(this.#next, BETWEEN_MS));
      await this.#strike();
    }
    await this.#calm();
  }

  #start(member) {
    member.life += 1;
    member.name = `${member.role}-${member.at}-${member.life}`;
    member.paused = false;
    member.killed = false;
    const settings = JSON.stringify({ ...this.#shared, role: member.role, name: member.name });
    const child = spawn(process.execPath, [PROGRAM], {
      env: { ...process.env, PACKVAULT_SOAK: settings },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    const { name } = member;
    member.child = child;
    member.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(this.failures.push(`${name}: ${error.message}`)));
      child.once('close', (code, signal) => {
        if (code !== 0 && !member.killed) this.failures.push(said || `${name} ended with ${signal ?? code}`);
        resolve();
      });
    });
  }

  async #strike() {
    const member = this.#members[below(this.#next, this.#members.length)];
    const [kill, pause] = [this.#next() < KILLS, between(this.#next, PAUSE_MS)];
    if (kill) {
      this.#say(`kill ${member.name}`);
      this.counts.kills += 1;
      member.killed = true;
      member.child.kill('SIGKILL');
      await member.ended;
      this.#start(member);
    } else if (!member.paused) {
      this.#say(`pause ${member.name} for ${Math.round(pause)} ms`);
      this.counts.pauses += 1;
      member.paused = true;
      const { child } = member;
      child.kill('SIGSTOP');
      const waking = wait(pause).then(() => {
        child.kill('SIGCONT');
        if (member.child === child) member.paused = false;
        return this.#wakings.delete(waking);
      });
      this.#wakings.add(waking);
    }
  }

  /** Lets everybody end what they are at. */
  async #calm() {
    await Promise.all(this.#wakings);
    const hung = new Set(this.#members);
    for (const { child } of this.#members) child.kill('SIGTERM');
    const ends = this.#members.map(async (member) => {
      await member.ended;
      hung.delete(member);
    });
    await Promise.race([Promise.all(ends), wait(PATIENCE_MS, undefined, { ref: false })]);
    for (const member of hung) {
      this.failures.push(`${member.name} hangs`);
      member.killed = true;
      member.child.kill('SIGKILL');
    }
    await Promise.all(ends);
  }

  #say(text) {
    appendFileSync(join(this.#folder, 'log', 'weather.log'), `${new Date().toISOString()} ${text}\n`);
  }
}

function between(next, { least, most }) {
  return least + next() * (most - least);
}
