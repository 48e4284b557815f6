/** The bundler takes style sheets; the compiler need not know their content. */
declare module '*.css'
