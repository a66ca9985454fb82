package dev.panamba.infer;

/**
 * What a session generates.
 *
 * @param id the token
 * @param text the whole characters that it completes; empty while a character is still in parts, and for the token that ends a text
 */
public record Token(int id, String text) {}
