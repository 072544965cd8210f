// What the gateway adds to a WebSocket of an application: identities, cookies that stay with it, ends.

import { strict as assert } from 'node:assert';
import { Client, refusal } from './messages.js';

const SPOOFED = {
  'Remote-User': 'root', 'remote_user': 'root', 'REMOTE-GROUPS': 'admin', 'Wampgate-Client': 'x', 'Wampgate-Authmethod': 'x', 'wampgate_client': 'x',
  'X-Forwarded-For': '6.6.6.6',
};

/** What an application takes for a header of this name. Those that run by WSGI or CGI cannot tell `_` from `-`. */
function named(headers, name) {
  return headers.filter(([key]) => key.toLowerCase().replaceAll('_', '-') === name).map(([, value]) => value);
}

export const BEHIND = {
  async 'identity headers, and none of the client'(scene, url) {
    const joe = await scene.login('joe');
    for (const [cookie, authid, role] of [[joe.cookie, 'joe', 'member'], ['other=1', '', '']]) {
      const client = await Client.open(url, { headers: { ...SPOOFED, Cookie: `theme=dark; ${cookie}; lang=en`, Authorization: 'Bearer own' } });
      const { headers } = JSON.parse(await client.ask('!headers'));
      assert.deepEqual(named(headers, 'remote-user'), [authid]);
      assert.deepEqual(named(headers, 'remote-groups'), [role]);
      assert.deepEqual(named(headers, 'wampgate-authmethod'), [authid === '' ? '' : 'ticket']);
      const [shown, ...more] = named(headers, 'wampgate-client');
      assert.deepEqual(more, []);
      assert.notEqual(shown, 'x');
      assert.deepEqual(named(headers, 'x-forwarded-for'), ['127.0.0.1']);
      assert.deepEqual(named(headers, 'authorization'), ['Bearer own']);
      assert.deepEqual(named(headers, 'cookie'), [authid === '' ? `theme=dark; ${cookie}; lang=en` : 'theme=dark; lang=en']);
      assert.ok(!JSON.stringify(headers).includes(joe.cookie.split('=')[1]), 'the tracking ID reached the application');
      client.socket.terminate();
    }
  },

  async 'an application that vanishes ends a connection with 1012'(scene, url) {
    const client = await Client.open(url);
    client.send('!kill');
    assert.match(await client.end(), /^1012 /);
  },

  async 'a client that vanishes is 1001 to the application'(scene, url) {
    const [client, beside] = [await Client.open(url), await Client.open(url)];
    assert.equal(await client.ask(`!watch gone ${url}`), 'watched');
    client.socket.terminate();
    assert.match(await beside.ask('!ended gone'), /^1001 /);
    beside.socket.terminate();
  },

  async 'a logout and a revocation close the connections of that client alone'(scene, url) {
    const [joe, ann] = [await scene.login('joe'), await scene.login('ann')];
    const as = (visitor) => Client.open(url, { headers: { Cookie: visitor.cookie } });
    const [first, second, beside] = [await as(joe), await as(joe), await as(ann)];
    await joe.logout();
    assert.match(await first.end(), /^1008 /);
    assert.match(await second.end(), /^1008 /);
    assert.equal(await beside.ask('still here'), 'still here');
    await scene.revoke('ann');
    assert.match(await beside.end(), /^1008 /);
  },
};

/** A path that wants a login. */
export async function locked(scene, url) {
  assert.equal(await refusal(url), 401);
  const joe = await scene.login('joe');
  const client = await Client.open(url, { headers: { Cookie: joe.cookie } });
  await joe.logout();
  assert.match(await client.end(), /^1008 /);
  assert.equal(await refusal(url, { headers: { Cookie: joe.cookie } }), 401);
}
