/**
 * The command line: one small class per command, with its options as constants. Words for people go to stderr, results to
 * stdout, {@code --json} makes results one JSON object a line. A user's mistake is one sentence and exit code 1, wrong usage 2.
 * What cannot be written to stdout, and a reader of stderr that has gone, end the work with 1.
 */
package dev.panamba.cli;
