// One JSON object per line on standard output; errors become name, message and stack.
import { Logger } from '@graphql-hive/logger';

// An error of the gateway can carry a request with its token; only these keys leave the process.
const describe = (error) => ({ name: error.name, message: error.message, stack: error.stack });

const replacer = (_key, value) => (value instanceof Error ? describe(value) : value);

const writer = {
  write(level, attrs, message) {
    // The logger of the gateway hands over a bare error instead of attributes.
    const fields = attrs instanceof Error ? { error: attrs } : attrs;
    const time = new Date().toISOString();
    process.stdout.write(`${JSON.stringify({ time, level, message, ...fields }, replacer)}\n`);
  },
};

export const createLog = (level) => new Logger({ level, writers: [writer] });
