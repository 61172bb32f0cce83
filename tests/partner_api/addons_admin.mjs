// Speaks to the registry as the addons-admin plugin of the Heroku CLI does, through the HTTP client that the plugin uses.
// Usage: HEROKU_HOST=… HEROKU_ADDONS_HOST=… HEROKU_API_KEY=… node addons_admin.mjs DIRECTORY-WITH-node_modules MANIFEST
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, file] = process.argv.slice(2)
const command = path.join(folder, 'node_modules', '@heroku-cli', 'command', 'lib', 'index.js')
const { APIClient } = await import(pathToFileURL(command))

const client = new APIClient({ version: '11.0.0', platform: 'linux' }, {})
client.defaults.host = new URL(process.env.HEROKU_ADDONS_HOST).host
const headers = { Accept: 'application/json', 'Content-Type': 'application/json', 'User-Agent': 'kensa future' }

async function get (address) {
  try {
    return (await client.get(address, { headers })).body
  } catch (error) {
    return { told: error.body?.error ?? String(error) }
  }
}

async function push (contents) {
  const address = `/api/v3/addons/${encodeURIComponent(contents.id)}/manifests`
  try {
    return (await client.post(address, { headers, body: { contents } })).body
  } catch (error) {
    const told = error.body?.error
    return { told: told?.base ? told.base.join(', ') : told ?? String(error) }
  }
}

const manifest = JSON.parse(readFileSync(file))
const registry = `/api/v3/addons/${manifest.id}`
const seen = { pushed: await push(manifest) }
seen.pulled = await get(`${registry}/current_manifest`)
seen.again = await push({ ...seen.pulled.contents, name: 'Renamed' })
seen.outdated = await push({ ...seen.pulled.contents, name: 'Too late' })
seen.faulty = await push({ id: manifest.id, name: '', api: {} })
seen.versions = await get(`${registry}/manifests`)
seen.first = await get(`${registry}/manifests/${seen.pushed.id}`)
seen.missing = await get('/api/v3/addons/no-such/current_manifest')
console.log(JSON.stringify(seen))
