// One file: what the suites of shutdown/ load is loaded once.
import './shutdown/app-close.suite.js';
import './shutdown/hook-order.suite.js';
import './shutdown/long-close.suite.js';
import './shutdown/processes.suite.js';
