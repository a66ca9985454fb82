/**
 * The performance study: one question a class, every answer beside a control in the same class. {@code README.md} in this
 * module has the questions, how to run them, and the numbers.
 */
package dev.panamba.jmh;
