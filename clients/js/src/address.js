/** Where a daemon is, from what people have at hand. */

/** RFC 7230: the characters of a token, which a subprotocol must be. */
const SUBPROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * Find the WebSocket's address and the token.
 *
 * @param {string | URL | undefined} url `http(s)://host:port/?token=…` as the daemon prints it, or `ws(s)://…`;
 *   absent in a page: its own origin.
 * @param {string | undefined} token stands before the one in `url`
 * @returns {{url: string, token: string | undefined}}
 * @throws {TypeError} with a sentence that says what is wrong
 */
export function locate(url, token) {
    const given = url ?? globalThis.location?.origin;
    if (given === undefined) {
        throw new TypeError('connect({url}) is required: the address that swanbridged prints when it is ready');
    }
    let address;
    try {
        address = new URL(String(given));
    } catch {
        throw new TypeError(`connect({url}) is no address; it should look like http://127.0.0.1:7667/?token=…`);
    }
    const secret = token ?? address.searchParams.get('token') ?? undefined;
    if (secret !== undefined && !SUBPROTOCOL.test(secret)) {
        throw new TypeError('connect({token}): a token has letters, digits and -._~ only');
    }
    // Setting URL.protocol between http: and ws: works, as all four are special schemes.
    if (address.protocol === 'http:') address.protocol = 'ws:';
    else if (address.protocol === 'https:') address.protocol = 'wss:';
    else if (address.protocol !== 'ws:' && address.protocol !== 'wss:') {
        throw new TypeError(`connect({url}): ${address.protocol}// is none of http, https, ws, wss`);
    }
    const path = address.pathname.replace(/\/+$/, '');
    address.pathname = path.endsWith('/ws') ? path : `${path}/ws`;
    address.search = '';
    address.hash = '';
    address.username = '';
    address.password = '';
    return {url: address.href, token: secret};
}
