// The other process of the SFTP store's conformance cases.
import { SftpBackend } from 'packvault/sftp';
import { serveStore } from 'packvault/testing';

const { port, username, privateKeyPath, hostKey } = JSON.parse(process.env.PACKVAULT_TEST_SFTP);
await serveStore((path) => new SftpBackend({ host: '127.0.0.1', port, user: username, privateKeyPath, hostKey, path }));
