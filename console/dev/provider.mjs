// A real OpenID Connect provider for the tests: `node dev/provider.mjs PORT REDIRECT` knows one client, `headworks` with the secret
// `between us`, and vouches for whatever name is typed.
import { Provider } from 'oidc-provider';

const [port, redirect] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'headworks', client_secret: 'between us', redirect_uris: [redirect], response_types: ['code'], grant_types: ['authorization_code'] }],
  claims: { openid: ['sub'], profile: ['preferred_username'] },
  // Else the claims come from the userinfo endpoint alone.
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id }) }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
