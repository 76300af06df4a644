/**
 * How a swan function is called: callbacks or a promise, and the checks in front of it (facts 1.1-1.4).
 *
 * A family adds a descriptor, nothing else.
 */
import {SwanError} from './errors.js';
import {complain, isolated} from './log.js';

/** Baidu's front-end check, of arguments. */
const ARGUMENT_ERROR = 904;

/**
 * One parameter. `string` is also a number (facts 1.4); `string[]` an array of such.
 *
 * @typedef {object} Parameter
 * @property {'string' | 'boolean' | 'object' | 'Array' | 'string[]' | 'object[]'} type
 * @property {boolean} [required]
 * @property {unknown} [initial] used when it is absent
 */

/**
 * A swan function.
 *
 * @typedef {object} Descriptor
 * @property {string} name on the wire and in JavaScript
 * @property {Record<string, Parameter>} parameters
 * @property {(options: any) => string | undefined} [specialCheck] answers what is wrong; this is the one check
 *   that calls fail and complete before the function returns (facts 1.2)
 */

/**
 * Make a swan function of its descriptor.
 *
 * @param {{call: (method: string, params: object) => Promise<any>}} session
 * @param {Descriptor} descriptor
 * @returns {(options?: any) => any}
 */
export function swanFunction(session, descriptor) {
    const {name, specialCheck} = descriptor;
    return given => {
        const options = typeof given === 'object' && given !== null ? given : {};
        const {success, fail, complete} = options;
        const special = specialCheck?.(options);
        if (success == null && fail == null && complete == null) {
            const problem = special ?? checkParameters(descriptor, options);
            if (problem !== undefined) return Promise.reject(new SwanError(ARGUMENT_ERROR, problem));
            return session.call(name, wireParams(descriptor, options));
        }
        /**
         * @param {unknown} callback
         * @param {unknown} outcome
         */
        const tell = (callback, outcome) => {
            if (typeof callback === 'function') isolated(callback, outcome);
            if (typeof complete === 'function') isolated(complete, outcome);
        };
        const refuse = (/** @type {string} */ problem) => {
            if (typeof fail !== 'function' && typeof complete !== 'function') complain(`${name}: ${problem}`);
            tell(fail, {errCode: ARGUMENT_ERROR, errMsg: problem});
        };
        if (special !== undefined) {
            refuse(special);
            return undefined;
        }
        const mistyped = [success, fail].some(callback => callback != null && typeof callback !== 'function');
        const problem = mistyped ? 'params type error' : checkParameters(descriptor, options);
        if (problem !== undefined) {
            queueMicrotask(() => refuse(problem));
            return undefined;
        }
        session.call(name, wireParams(descriptor, options)).then(
            result => tell(success, result),
            error => tell(fail, {errCode: error.errCode ?? -1, errMsg: error.errMsg ?? String(error)}),
        );
        return undefined;
    };
}

/**
 * The first thing wrong with the arguments, in Baidu's own words; nothing when all is well.
 *
 * @param {Descriptor} descriptor
 * @param {Record<string, unknown>} options
 * @returns {string | undefined}
 */
function checkParameters({parameters}, options) {
    for (const [name, {type, required = false}] of Object.entries(parameters)) {
        const value = options[name];
        if (isAbsent(value)) {
            if (required) return `[jsNative Argument Error]${name} is required.`;
            continue;
        }
        const item = type.endsWith('[]') ? type.slice(0, -2) : undefined;
        const whole = item ? 'Array' : type;
        if (!hasType(value, whole)) return `[jsNative Argument Error]${name} type error. must be "${whole}"`;
        if (item && !(/** @type {unknown[]} */ (value).every(one => hasType(one, item)))) {
            return `[jsNative Argument Error]${name} type error, must be arrayOf "${item}"`;
        }
    }
    return undefined;
}

/**
 * The parameters as they go out: all that the program gave but functions, and what stands for the absent ones.
 *
 * @param {Descriptor} descriptor
 * @param {Record<string, unknown>} options
 */
function wireParams({parameters}, options) {
    /** @type {Record<string, unknown>} */
    const params = {};
    for (const [name, value] of Object.entries(options)) {
        if (!isAbsent(value) && typeof value !== 'function') params[name] = value;
    }
    for (const [name, {initial}] of Object.entries(parameters)) {
        if (initial !== undefined && !(name in params)) params[name] = initial;
    }
    for (const name of ['success', 'fail', 'complete']) delete params[name];
    return params;
}

/** @param {unknown} value NaN and the infinities become null in JSON, and null is absent (facts 1.4) */
function isAbsent(value) {
    return value === undefined || value === null || (typeof value === 'number' && !Number.isFinite(value));
}

/**
 * @param {unknown} value
 * @param {string} type
 */
function hasType(value, type) {
    if (type === 'Array') return Array.isArray(value);
    if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
    // Numbers are turned into strings before the check, hence a number passes for a string (facts 1.4).
    if (type === 'string') return typeof value === 'string' || typeof value === 'number';
    return typeof value === type;
}
