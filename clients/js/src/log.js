/** What programs did wrong goes to the console, as in Baidu's own layer, and never up the stack. */

/**
 * Call a program's function; what it throws is logged and ends here (facts 1.2).
 *
 * @param {Function} callback
 * @param {unknown} argument
 */
export function isolated(callback, argument) {
    try {
        callback(argument);
    } catch (error) {
        console.error('thirdScriptError', error);
    }
}

/** @param {string} sentence */
export function complain(sentence) {
    console.error(`swanbridge: ${sentence}`);
}
