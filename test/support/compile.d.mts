export default function compile(): Promise<void>;
