import { suitesBeside } from '../support/suites-beside.js';

await suitesBeside(import.meta.url);
