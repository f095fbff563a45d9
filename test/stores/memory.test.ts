import { MemoryBackend } from '../../src/backends/memory.ts';
import { engineMatrix } from './matrix.ts';

engineMatrix('a store in memory', { place: () => new MemoryBackend() });
