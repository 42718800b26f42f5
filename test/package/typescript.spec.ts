// One file: the compiler is loaded once, and what it reads for the one it has for the other.
import '../types/types.suite.js';
import './api.suite.js';
import './snippets.suite.js';
