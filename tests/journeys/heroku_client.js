// Drives the unmodified npm package heroku-client through a small story; prints what it saw as JSON.
// Usage: HOST=… TOKEN=… APP=… node heroku_client.js DIRECTORY-WITH-node_modules
const path = require('path')
const Heroku = require(path.join(process.argv[2], 'node_modules', 'heroku-client'))

const { HOST, TOKEN, APP } = process.env
const heroku = new Heroku({ host: HOST, token: TOKEN, logger: undefined })

async function refused (request) {
  try {
    await request
    return null
  } catch (error) {
    return { status: error.statusCode, body: error.body }
  }
}

async function story () {
  const seen = {}
  seen.account = (await heroku.get('/account')).email
  const addon = await heroku.post(`/apps/${APP}/addons`, { body: { plan: 'redis', attachment: { name: 'CACHE' } } })
  seen.created = { state: addon.state, vars: addon.config_vars }
  seen.config = Object.keys(await heroku.get(`/apps/${APP}/config-vars`))
  for (const value of ['1', '2', '3']) {
    await heroku.patch(`/apps/${APP}/config-vars`, { body: { COUNT: value } })
  }
  seen.releases = (await heroku.get(`/apps/${APP}/releases`)).map(release => release.version)
  seen.inParts = (await heroku.get(`/apps/${APP}/releases`, { headers: { Range: 'version ..; max=2' } })).map(r => r.version)
  seen.plan = (await heroku.patch(`/apps/${APP}/addons/${addon.id}`, { body: { plan: 'redis:premium-0' } })).plan.name
  seen.taken = await refused(heroku.post('/apps', { body: { name: APP } }))
  seen.missing = await refused(heroku.get('/addons/nothing-here'))
  seen.destroyed = (await heroku.delete(`/apps/${APP}/addons/${addon.id}`)).state
  return seen
}

story().then(
  seen => console.log(JSON.stringify(seen)),
  error => { console.error(error); process.exit(1) }
)
