import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Cli, only, SECRET } from '../support/cli.ts';
import { COMMAND, onTerminal, quoted } from '../support/cli-terminal.ts';

const NONE = { PACKVAULT_PASSWORD: '' };

test('the passphrase comes from a variable, a file or a command', async () => {
  const cli = new Cli(true);
  await cli.ok(['init']);
  writeFileSync(cli.path('secret'), `${SECRET}\n`);
  for (const env of [
    { PACKVAULT_PASSWORD: SECRET },
    { ...NONE, PACKVAULT_PASSWORD_FILE: cli.path('secret') },
    { ...NONE, PACKVAULT_PASSWORD_COMMAND: `cat ${quoted(cli.path('secret'))}` },
    // The first that is set is taken.
    { PACKVAULT_PASSWORD: SECRET, PACKVAULT_PASSWORD_FILE: '/nowhere', PACKVAULT_PASSWORD_COMMAND: 'false' },
  ]) {
    const { code, stderr } = await cli.run(['snapshots'], { env });
    expect(stderr).toBe('');
    expect(code).toBe(0);
  }
});

test('a wrong passphrase, or one that cannot be had, ends with 12 and says which', async () => {
  const cli = new Cli(true);
  await cli.ok(['init']);
  writeFileSync(cli.path('empty'), '\n');
  const cases: readonly (readonly [env: Record<string, string>, says: string, code: string])[] = [
    [{ PACKVAULT_PASSWORD: 'wrong' }, cli.repository, 'WRONG_PASSPHRASE'],
    [NONE, 'PACKVAULT_PASSWORD_FILE or PACKVAULT_PASSWORD_COMMAND', 'PASSPHRASE_REQUIRED'],
    [{ ...NONE, PACKVAULT_PASSWORD_FILE: '/nowhere/at all' }, '/nowhere/at all', 'PASSPHRASE_REQUIRED'],
    [{ ...NONE, PACKVAULT_PASSWORD_FILE: cli.path('empty') }, 'empty passphrase', 'PASSPHRASE_REQUIRED'],
    [{ ...NONE, PACKVAULT_PASSWORD_COMMAND: 'exit 7' }, 'exit code 7', 'PASSPHRASE_REQUIRED'],
    [{ ...NONE, PACKVAULT_PASSWORD_COMMAND: 'true' }, 'empty passphrase', 'PASSPHRASE_REQUIRED'],
  ];
  for (const [env, says, name] of cases) {
    const { code, records } = await cli.json(['snapshots'], { env });
    expect(only(records, 'error')).toMatchObject({ code: name, exitCode: 12 });
    expect(only(records, 'error')['message']).toContain(says);
    expect(code).toBe(12);
  }
  const init = await cli.run(['init', '--repo', cli.path('another')], { env: NONE });
  expect(init.code).toBe(12);
});

test('a command that fails may say why, and what it printed is not shown', async () => {
  const cli = new Cli(true);
  await cli.ok(['init']);
  const env = { ...NONE, PACKVAULT_PASSWORD_COMMAND: `echo ${quoted(SECRET)}; echo the safe is locked >&2; exit 1` };
  const { stdout, stderr } = await cli.run(['snapshots'], { env });
  expect(stderr).toContain('the safe is locked');
  expect(`${stdout.toString()}${stderr}`.replace(env.PACKVAULT_PASSWORD_COMMAND, '')).not.toContain(SECRET);
});

test('no command shows the passphrase, in success or failure, nor takes it as an argument', async () => {
  const cli = new Cli(true);
  const said: string[] = [];
  const commands = [
    ['init'],
    ['init'],
    ['ingest', '--name', 'a'],
    ['snapshots'],
    ['restore', 'latest'],
    ['restore', 'ffff'],
    ['verify'],
    ['repair'],
    ['reindex'],
    ['key', 'add', '--label', 'x'],
    ['key', 'list'],
    ['key', 'remove', 'ffff'],
    ['stats'],
    ['status'],
    ['unlock'],
    ['ingest', 'missing'],
  ];
  const env = { PACKVAULT_NEW_PASSWORD: `${SECRET} new` };
  for (const args of commands) {
    const { stdout, stderr } = await cli.run(['--json', ...args], { input: 'content', env });
    said.push(stdout.toString(), stderr);
  }
  const wrong = await cli.run(['snapshots'], { env: { PACKVAULT_PASSWORD: `${SECRET} wrong` } });
  said.push(wrong.stdout.toString(), wrong.stderr);
  for (const option of ['--password', '--passphrase', '-p']) {
    const { code, stdout, stderr } = await cli.run(['snapshots', `${option}=${SECRET}`]);
    expect(code).toBe(2);
    said.push(stdout.toString(), stderr);
  }
  expect(said.join('\n')).not.toContain(SECRET);
  // The oracle sees what is there.
  expect(said.join('\n')).toContain('content');
});

test('on a terminal the passphrase is asked for, twice when it is new, and not shown', async () => {
  const cli = new Cli();
  const made = await onTerminal(cli, `${COMMAND} init`, [
    ['New passphrase: ', 'abX\u007fc\r'],
    ['The same again: ', 'abc\r'],
  ]);
  expect(made.stdout.toString()).toContain('Made an encrypted repository');
  expect(made.code).toBe(0);
  await cli.ok(['snapshots'], { env: { PACKVAULT_PASSWORD: 'abc' } });
  const right = await onTerminal(cli, `${COMMAND} snapshots`, [[`Passphrase of ${cli.repository}: `, 'abc\r']]);
  expect(right.stdout.toString()).toContain('No snapshots.');
  expect(right.stdout.toString()).not.toContain('abc\r');
  const wrong = await onTerminal(cli, `${COMMAND} snapshots`, [['Passphrase of ', 'abd\r']]);
  expect(wrong.code).toBe(12);
  const differ = await onTerminal(
    cli,
    `${COMMAND} key add`,
    [
      ['New passphrase: ', 'one\r'],
      ['The same again: ', 'two\r'],
    ],
    { PACKVAULT_PASSWORD: 'abc' },
  );
  expect(differ.stdout.toString()).toContain('The two passphrases differ. Nothing was changed.');
  expect(differ.code).toBe(12);
});

test('Ctrl-C at the prompt ends with 130', async () => {
  const cli = new Cli(true);
  await cli.ok(['init']);
  const { code, stdout } = await onTerminal(cli, `${COMMAND} snapshots`, [['Passphrase of ', '\u0003']], NONE);
  expect(stdout.toString()).toContain('Stopped.');
  expect(code).toBe(130);
});

test('standard input may be the data while the terminal gives the passphrase', async () => {
  const cli = new Cli(true);
  await cli.ok(['init']);
  const pipe = `echo the data | ${COMMAND} ingest`;
  const { code } = await onTerminal(cli, pipe, [['Passphrase of ', `${SECRET}\r`]], NONE);
  expect(code).toBe(0);
  expect((await cli.ok(['restore', 'latest'])).stdout.toString()).toBe('the data\n');
});
