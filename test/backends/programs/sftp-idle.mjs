// Uses a store, and then has nothing more to do. It should end by itself.
import { SftpBackend } from 'packvault/sftp';

const { port, username, privateKeyPath, hostKey, path } = JSON.parse(process.env.PACKVAULT_TEST_SFTP);
const backend = new SftpBackend({ host: '127.0.0.1', port, user: username, privateKeyPath, hostKey, path });
await backend.put('a', new Uint8Array(100), { mode: 'create' });
await backend.get('a');
