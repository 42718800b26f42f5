// One file: what the suites of contexts/ load is loaded once.
import './contexts/capturing.suite.js';
import './contexts/graphql.suite.js';
import './contexts/loggers.suite.js';
import './contexts/messages.suite.js';
import './contexts/packages.suite.js';
