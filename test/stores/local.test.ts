import { join } from 'node:path';
import { temporaryFolder } from '../support/folders.ts';
import { engineMatrix } from './matrix.ts';

engineMatrix('a local folder', { place: () => join(temporaryFolder(), 'répertoire'), env: {} });
