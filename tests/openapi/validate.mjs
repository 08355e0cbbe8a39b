// node validate.mjs DESCRIPTION.json: says what makes it no OpenAPI 3.1, and ends with 1.
import { readFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';

// The packages stand in a build directory: NODE_PACKAGES names it.
const require = createRequire(pathToFileURL(process.env.NODE_PACKAGES + '/'));
const { Validator } = await import(pathToFileURL(require.resolve('@seriousme/openapi-schema-validator')));

const validator = new Validator();
const description = JSON.parse(await readFile(process.argv[2], 'utf8'));
const result = await validator.validate(description);
if (!result.valid) {
  console.error(JSON.stringify(result.errors, null, 1).slice(0, 8000));
  process.exit(1);
}
if (!description.openapi.startsWith('3.1')) {
  console.error(`it says OpenAPI ${description.openapi}`);
  process.exit(1);
}
console.log(`OpenAPI ${description.openapi}, ${Object.keys(description.paths).length} addresses`);
