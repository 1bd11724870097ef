// Who may import whom. The rooms are described in CONTRIBUTING.md.

const packages = '(^|/)node_modules/'

/** From a room, what lies in this repository may only be one of `allowed`. */
function room(name, from, allowed) {
  return {
    name,
    severity: 'error',
    from: { path: from },
    to: { path: '^(src|adapters|bench|scripts|test)/', pathNot: allowed },
  }
}

/** @type {import('dependency-cruiser').IConfiguration} */
const configuration = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'core-imports-nothing',
      comment: 'The core runs anywhere: no package, no node:, no other room.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { pathNot: '^src/core/' },
    },
    room('config-imports-core', '^src/config/', '^src/(config|core)/'),
    room('webhook-imports-core', '^src/webhook/', '^src/(webhook|core)/'),
    room('store-imports-core', '^src/store/', '^src/(store|core)/'),
    room('delivery-imports-core-and-the-store-port', '^src/delivery/', '^src/((delivery|core)/|store/[a-z-]+\\.ts$)'),
    room(
      'bridges-import-core-and-how-delivery-matches-and-waits',
      '^src/bridges/',
      '^src/((bridges|core|delivery/match)/|delivery/(credit|timing)\\.ts$)',
    ),
    room(
      'http-imports-core-webhook-and-the-store-port',
      '^src/http/',
      '^src/((http|core|webhook)/|store/[a-z-]+\\.ts$)',
    ),
    room('adapters-import-core-only', '^adapters/([^/]+)/', '^(src/core|adapters/$1)/'),
    room('conformance-imports-core-only', '^test/conformance/', '^(test/conformance|src/core)/'),
    {
      name: 'http-packages',
      comment: 'The HTTP app is a pure Request → Response function over hono and zod.',
      severity: 'error',
      from: { path: '^src/http/' },
      to: { path: packages, pathNot: `${packages}(hono|zod|@hono/zod-openapi)/` },
    },
    {
      name: 'delivery-imports-no-package',
      severity: 'error',
      from: { path: '^src/(delivery|bridges)/' },
      to: { path: packages },
    },
    {
      name: 'no-node-in-http-and-delivery',
      severity: 'error',
      from: { path: '^src/(http|delivery|bridges)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'nothing-shipped-imports-tests-or-tools',
      severity: 'error',
      from: { path: '^(src|adapters)/' },
      to: { path: '^(test|bench|scripts)/' },
    },
    {
      name: 'nothing-shipped-imports-dev-packages',
      severity: 'error',
      from: { path: '^(src|adapters|test/conformance)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['types', 'import', 'node', 'default'] },
  },
}

export default configuration
