// The program: reads the router's settings, and loads the router when they are good.
import { existsSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { EXIT_CONFIGURATION, readConfig } from './config.mjs';

const { config, errors } = readConfig(process.env);
if (errors.length > 0) {
  process.stderr.write(`${errors.join('\n')}\n`);
  process.exit(EXIT_CONFIGURATION);
}

// Hundreds of files are compiled at each start. Where tools are installed, that of an earlier start
// is kept; an image has no such folder, and nothing is written there.
const tools = fileURLToPath(new URL('../.local/tools', import.meta.url));
if (existsSync(tools)) enableCompileCache(join(tools, 'compiled'));
const { start } = await import('./router.mjs');
await start(config);
